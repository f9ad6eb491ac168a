"""Every command that needs only a running API, for any Typer program to add to its own."""

from __future__ import annotations

import typer

from autos_client_cli import (
    accesses,
    batch,
    bundle,
    cases,
    court,
    deliveries,
    erasure,
    get,
    listing,
    runs,
    verify,
    watch,
)
from autos_client_cli.command_help import Command
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.printing import print_lines, replace_what_encodings_lack
from autos_client_cli.texts import t

EXIT_CODES_HELP = t(
    "Exit codes: 0 ok · 1 a defect · 2 usage or configuration · 3 not found · 5 a part does not answer "
    "now · 6 some documents are not there · 7 cannot be done · 130 interrupted."
)
VARIABLES_HELP = t(
    "Environment: AUTOS_PUBLIC_URL, the address of the API; AUTOS_API_KEY, its key; AUTOS_LANG, en or pt "
    "(otherwise the locale's language); NO_COLOR."
)


def add_client_commands(app: typer.Typer) -> None:
    """Add every command to a program: on processes, on runs, and for operators.

    The program may set a ``CommandContext`` as the context's ``obj``. Without one, the commands read the
    environment.
    """
    for command, name, text, epilog in (
        (get.get, "get", get.GET_HELP, get.GET_EXAMPLES),
        (bundle.bundle, "bundle", bundle.BUNDLE_HELP, bundle.BUNDLE_EXAMPLES),
        (batch.batch, "batch", batch.BATCH_HELP, batch.BATCH_EXAMPLES),
        (listing.list_processes, "list", listing.LIST_HELP, listing.LIST_EXAMPLES),
        (verify.verify, "verify", verify.VERIFY_HELP, verify.VERIFY_EXAMPLES),
    ):
        app.command(name, cls=Command, help=text, epilog=epilog, rich_help_panel=t("Processes"))(command)
    app.add_typer(watch.app, name="watch", rich_help_panel=t("Processes"))
    app.command(
        "events",
        cls=Command,
        help=watch.EVENTS_HELP,
        epilog=watch.EVENTS_EXAMPLES,
        rich_help_panel=t("Processes"),
    )(watch.list_events)
    app.add_typer(cases.app)
    app.add_typer(runs.app)
    app.add_typer(erasure.app)
    app.add_typer(deliveries.app, name="deliveries", rich_help_panel=t("For operators"))
    app.command(
        "accesses",
        cls=Command,
        help=accesses.ACCESSES_HELP,
        epilog=accesses.ACCESSES_EXAMPLES,
        rich_help_panel=t("For operators"),
    )(accesses.list_accesses)
    app.add_typer(court.app, name="court", rich_help_panel=t("For operators"))


def run_app(app: typer.Typer, *, program: str) -> int:
    """Run a program and return its exit code. An expected failure is a line or a few on standard error."""
    replace_what_encodings_lack()
    try:
        app(prog_name=program)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except CommandError as error:
        print_lines(f"{program}: {error}", err=True)
        return error.exit_code
    return ExitCode.OK
