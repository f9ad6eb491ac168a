"""The command line: `autos up`, and each part of the service by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import commands.court
import commands.deliveries
import commands.get
import commands.key
import commands.runs
from commands.api import NotThere
from commands.exits import ExitCode
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, InvalidInput

if TYPE_CHECKING:
    from settings import Settings

# Longer than clients and proxies keep idle connections, so that they, not we, are the ones who close them: a
# request that crosses with our closing is lost without an answer.
_KEEP_ALIVE_SECONDS = 75

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold secrets.
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Download every document of a Brazilian court process, durably.",
    epilog="Exit codes: 0 ok · 1 a defect · 2 usage or configuration · 3 not found · 5 a part does not answer "
    "now · 6 some documents are not there · 7 cannot be done · 130 interrupted.",
)

app.command()(commands.get.get)
app.add_typer(commands.runs.app)
app.add_typer(commands.deliveries.app, name="deliveries")
app.add_typer(commands.court.app, name="court")
app.add_typer(commands.key.app, name="key")


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"autos {version('autos')}")
        except PackageNotFoundError:
            typer.echo("autos, from source")
        raise typer.Exit


@app.callback()
def _autos(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def up(
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the stack keeps its state.", show_default=".autos")
    ] = None,
    ephemeral_ports: Annotated[
        bool, typer.Option("--ephemeral-ports", help="Take free ports instead of the usual ones.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON object, once all is ready.")
    ] = False,
) -> None:
    """Start Temporal, S3, a simulated court, the API and the worker, and run them until Ctrl-C."""
    settings = _configure()
    if settings.needs_catalog_key:
        raise ConfigurationError(f"{_exposed(settings)} Set AUTOS_API_KEY, or bind to 127.0.0.1.")
    from local.up import up as run

    asyncio.run(run(data_dir, ephemeral_ports=ephemeral_ports, as_json=as_json))


@app.command()
def api() -> None:
    """Serve the REST API."""
    settings = _configure()
    if settings.needs_catalog_key and not _any_usable_key(settings):
        raise ConfigurationError(
            f"{_exposed(settings)} Set AUTOS_API_KEY, make a key with `autos key new`, or bind to 127.0.0.1."
        )
    from adapters.temporal import connection_config

    connection_config()  # For the clear error, before anything listens.
    _exit_on_sigterm()
    with _listen(settings.api_host, settings.api_port) as listener:
        import uvicorn

        from api.app import create_app
        from api.connection_table import HttpLimits, open_files_for
        from api.http_limits import limited_http

        service = create_app(settings)

        class Server(uvicorn.Server):
            """Ends its streams first when it stops: they have no end of their own."""

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                service.state.watching.close()
                await super().shutdown(sockets)

        config = uvicorn.Config(
            service,
            http=limited_http(HttpLimits(connections=open_files_for(settings.api_max_connections))),
            # Nothing here speaks it, and its own protocol class has other limits.
            ws="none",
            # Believed from this machine unless told otherwise: any program here could name any address as its own.
            proxy_headers=False,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=10,
        )
        Server(config).run(sockets=[listener])


def _exposed(settings: Settings) -> str:
    named = f"AUTOS_API_HOST is {settings.api_host}"
    if settings.public_url:
        named += f" and AUTOS_PUBLIC_URL {settings.public_url}"
    return f"{named}, which other machines can reach, and there is no API key."


def _any_usable_key(settings: Settings) -> bool:
    from adapters.database import Catalog, Database

    file = settings.database_address.path
    if file is not None and not Path(file).exists():
        return False

    async def ask() -> bool:
        catalog = Catalog(Database(settings.effective_database_url))
        try:
            return await catalog.clients.any_usable_key()
        finally:
            await catalog.close()

    try:
        return asyncio.run(ask())
    except DependencyUnavailable:
        # A server may be back soon; a file that is empty holds no keys.
        if file is not None:
            return False
        raise


@app.command()
def openapi() -> None:
    """Print the description of the REST API (OpenAPI 3.1)."""
    from api.app import create_app
    from api.openapi import written
    from settings import load_settings

    typer.echo(written(create_app(load_settings())), nl=False)


@app.command()
def worker() -> None:
    """Run the workers: downloads, and what they need of the catalog, the store and the webhooks."""
    settings = _configure()
    import worker as workers

    __import__("uvloop").run(workers.run(settings))


@app.command()
def simulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65_535)] = 8900,
) -> None:
    """Serve a simulated court, with faults on demand."""
    _configure()
    _exit_on_sigterm()
    _listen(host, port).close()  # For the clear error.
    from simulator.server import serve

    serve(host, port)


@app.command()
def migrate(
    wait: Annotated[float, typer.Option(help="Seconds to wait for the database and Temporal.", min=0)] = 0,
) -> None:
    """Bring the database to this version's schema, and register the search attributes in Temporal."""
    settings = _configure()
    from adapters.database.migrate import upgrade
    from adapters.temporal import connection_config

    connection_config()  # For the clear error, before anything is changed.
    deadline = time.monotonic() + wait
    _insist(lambda: upgrade(settings.effective_database_url), deadline)
    _insist(lambda: asyncio.run(_register_search_attributes()), deadline)
    typer.echo("The database and Temporal are up to date.", err=True)


async def _register_search_attributes() -> None:
    from adapters import temporal
    from workflows.search_attributes import SEARCH_ATTRIBUTES

    await temporal.register_search_attributes(await temporal.connect(), SEARCH_ATTRIBUTES)


def _insist(work: Callable[[], None], deadline: float) -> None:
    """Do it again while something does not answer, with growing pauses, until the deadline."""
    pause, said = 0.25, ""
    while True:
        try:
            return work()
        except DependencyUnavailable as error:
            left = deadline - time.monotonic()
            if pause > left:
                raise
            if str(error) != said:
                said = str(error)
                typer.echo(f"autos: {said} Trying again for {left:.0f} seconds.", err=True)
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _configure() -> Settings:
    """Read the settings and set the logs up."""
    from adapters.logs import configure_logging
    from settings import load_settings

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    return settings


def _listen(host: str, port: int) -> socket.socket:
    """Open the port before anything else is done, so that a port in use is one line and not a trace."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}.") from None


def _exit_on_sigterm() -> None:
    """Let a server that stopped as it was told end with 0: uvicorn raises the signal again when it has finished."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.OK))


def main() -> None:
    """Run the command line; expected failures are one line on standard error and an exit code of their own."""
    from local.leaving import leave

    leave(_run())


def _run() -> int:
    try:
        app()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else ExitCode.OK
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except AutosError as error:
        typer.echo(f"autos: {error}", err=True)
        if isinstance(error, ConfigurationError | InvalidInput):
            return ExitCode.USAGE
        if isinstance(error, NotThere):
            return ExitCode.NOT_FOUND
        return ExitCode.UNAVAILABLE if isinstance(error, DependencyUnavailable) else ExitCode.FATAL
    return ExitCode.OK


if __name__ == "__main__":
    main()
