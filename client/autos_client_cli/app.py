"""The program `autos-client`."""

from __future__ import annotations

from typing import Annotated

import typer

from autos_client_cli.access import DEFAULT_URL, ApiAccess, CommandContext, access_from_environment
from autos_client_cli.command_help import Group
from autos_client_cli.commands import EXIT_CODES_HELP, VARIABLES_HELP, add_client_commands
from autos_client_cli.printing import print_line
from autos_client_cli.texts import t

app = typer.Typer(
    name="autos-client",
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold secrets.
    context_settings={"help_option_names": ["-h", "--help"]},
    help=t("Download every document of a Brazilian court process from an Autos service."),
    epilog=f"{VARIABLES_HELP}\n\n{EXIT_CODES_HELP}",
)

add_client_commands(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from autos_client import __version__

        print_line(f"autos-client {__version__}")
        raise typer.Exit


@app.callback()
def _read_global_options(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=t(
                "Where the API is. Default: AUTOS_PUBLIC_URL, or {url}. Its key: AUTOS_API_KEY.", url=DEFAULT_URL
            ),
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help=t("Print the version."))
    ] = False,
) -> None:
    def read_access() -> ApiAccess:
        access = access_from_environment()
        return ApiAccess(url, access.key, "--url") if url else access

    context.obj = CommandContext("autos-client", read_access)
