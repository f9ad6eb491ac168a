"""The program `autos-client`."""

from __future__ import annotations

from typing import Annotated

import typer

from autos_client_cli.access import DEFAULT_URL, ApiAccess, CommandContext, access_from_environment
from autos_client_cli.commands import EXIT_CODES_HELP, add_client_commands

app = typer.Typer(
    name="autos-client",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold secrets.
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Download every document of a Brazilian court process from an Autos service.",
    epilog=EXIT_CODES_HELP,
)

add_client_commands(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from autos_client import __version__

        typer.echo(f"autos-client {__version__}")
        raise typer.Exit


@app.callback()
def _read_global_options(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help=f"Where the API is. Default: AUTOS_PUBLIC_URL, or {DEFAULT_URL}. Its key: AUTOS_API_KEY.",
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    def read_access() -> ApiAccess:
        access = access_from_environment()
        return ApiAccess(url, access.key, "--url") if url else access

    context.obj = CommandContext("autos-client", read_access)
