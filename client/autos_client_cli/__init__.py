"""The command line for people who use an Autos service and run none.

`autos-client` is its program. The service's own `autos` adds the same commands to its own, with
``commands.add_client_commands``.

A package beside ``autos_client``, because importing that loads httpx2 and pydantic: the commands import it when
they run, so that `--help` is quick.
"""

from __future__ import annotations

import sys

from autos_client_cli.texts import t


def main() -> None:
    """Run `autos-client` and end the process with its exit code."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ModuleNotFoundError:
        sys.exit(t("autos-client: the commands need an extra. In the folder of Autos: pip install './client[cli]'"))
    from autos_client_cli.app import app
    from autos_client_cli.commands import run_app

    sys.exit(run_app(app, program="autos-client"))
