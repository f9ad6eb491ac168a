"""Every command that needs only a running API, for any Typer program to add to its own."""

from __future__ import annotations

import typer

from autos_client_cli import court, deliveries, get, runs
from autos_client_cli.errors import CommandError, ExitCode

EXIT_CODES_HELP = (
    "Exit codes: 0 ok · 1 a defect · 2 usage or configuration · 3 not found · 5 a part does not answer "
    "now · 6 some documents are not there · 7 cannot be done · 130 interrupted."
)


def add_client_commands(app: typer.Typer) -> None:
    """Add `get`, the commands on runs, `deliveries` and `court` to a program.

    The program may set a ``CommandContext`` as the context's ``obj``. Without one, the commands read the
    environment.
    """
    app.command()(get.get)
    app.add_typer(runs.app)
    app.add_typer(deliveries.app, name="deliveries")
    app.add_typer(court.app, name="court")


def run_app(app: typer.Typer, *, program: str) -> int:
    """Run a program and return its exit code. An expected failure is one line on standard error."""
    try:
        app(prog_name=program)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except CommandError as error:
        typer.echo(f"{program}: {error}", err=True)
        return error.exit_code
    return ExitCode.OK
