"""The command `autos`: the local stack, each part of the service alone, and the client's commands."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import cli.audit
import cli.key
from autos_client_cli.access import ApiAccess, CommandContext
from autos_client_cli.command_help import Command, Group
from autos_client_cli.commands import EXIT_CODES_HELP, VARIABLES_HELP, add_client_commands, run_app
from autos_client_cli.errors import ExitCode
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable, InvalidInput
from domain.version import VERSION

if TYPE_CHECKING:
    from settings import Settings

# Longer than clients and proxies keep idle connections, so that they close them and not the server: a request
# that arrives while the server closes its connection is lost without an answer.
_KEEP_ALIVE_SECONDS = 75

# The texts of the service's own commands are in English only.
_SERVICE_PANEL = "Service"

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold secrets.
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Download every document of a Brazilian court process, durably.",
    epilog=f"{VARIABLES_HELP}\n\n{EXIT_CODES_HELP}",
)

add_client_commands(app)
app.add_typer(cli.key.app, name="key", rich_help_panel=_SERVICE_PANEL)
app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)(cli.audit.audit)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autos {VERSION}")
        raise typer.Exit


@app.callback()
def _read_global_options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = CommandContext("autos", _read_api_access)


def _read_api_access() -> ApiAccess:
    """Return how the client's commands reach the API that the settings name."""
    from settings import load_settings

    settings = load_settings()
    key = settings.api_key.get_secret_value() if settings.api_key else None
    return ApiAccess(settings.effective_public_url, key)


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def up(
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the stack keeps its state. Default: .autos", show_default=False),
    ] = None,
    ephemeral_ports: Annotated[
        bool, typer.Option("--ephemeral-ports", help="Use free ports instead of the default ones.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the addresses as one JSON object, once all is ready.")
    ] = False,
) -> None:
    """Run everything on this machine until Ctrl-C: Temporal, S3, a simulated court, the API and the worker."""
    settings = _configure()
    if settings.needs_catalog_key:
        raise ConfigurationError(f"{_describe_exposure(settings)} Set AUTOS_API_KEY, or bind to 127.0.0.1.")
    from devstack.up import up as run

    asyncio.run(run(data_dir, ephemeral_ports=ephemeral_ports, as_json=as_json))


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def api() -> None:
    """Run the service that answers the REST API and the page."""
    settings = _configure()
    if settings.needs_catalog_key and not _has_usable_key(settings):
        raise ConfigurationError(
            f"{_describe_exposure(settings)} "
            "Set AUTOS_API_KEY, make a key with `autos key new`, or bind to 127.0.0.1."
        )
    from adapters.temporal.connection import connection_config

    connection_config()  # For the clear error, before anything listens.
    _exit_on_sigterm()
    with _listen(settings.api_host, settings.api_port, chosen_by="AUTOS_API_HOST and AUTOS_API_PORT") as listener:
        import uvicorn

        from api.app import create_app
        from api.deps import broadcaster_of
        from api.server.connection_table import HttpLimits, open_files_for
        from api.server.http_limits import limited_http

        service = create_app(settings)

        class Server(uvicorn.Server):
            """A server that closes its status streams before it stops, because they never end by themselves."""

            async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
                broadcaster_of(service).close()
                await super().shutdown(sockets)

        config = uvicorn.Config(
            service,
            http=limited_http(
                HttpLimits(connections=open_files_for(settings.api_max_connections)),
                access_log=settings.access_log,
            ),
            # The API has no WebSockets, and their protocol class has other limits.
            ws="none",
            # Uvicorn trusts proxy headers from this machine by default: any program here could claim any address.
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=10,
        )

        async def serve() -> None:
            # Not within Uvicorn, which prints a traceback for a setting that turns out to be wrong here.
            async with service.router.lifespan_context(service):
                # Uvicorn raises the signal again once it has stopped; then only this block is left to do.
                signal.signal(signal.SIGTERM, lambda *_: None)
                await Server(config).serve(sockets=[listener])

        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(serve())


def _describe_exposure(settings: Settings) -> str:
    named = f"AUTOS_API_HOST is {settings.api_host}"
    if settings.public_url:
        named += f" and AUTOS_PUBLIC_URL {settings.public_url}"
    return f"{named}, which other machines can reach, and there is no API key."


def _has_usable_key(settings: Settings) -> bool:
    from adapters.database import Catalog, Database

    file = settings.database_address.path
    if file is not None and not Path(file).exists():
        return False

    async def read_catalog() -> bool:
        catalog = Catalog(Database(settings.effective_database_url))
        try:
            return await catalog.clients.has_usable_key()
        finally:
            await catalog.close()

    try:
        return asyncio.run(read_catalog())
    except DependencyUnavailable:
        # An empty SQLite file holds no keys. A database server may only be down, so its error is raised.
        if file is not None:
            return False
        raise


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def openapi() -> None:
    """Print the description of the REST API (OpenAPI 3.1)."""
    from api.app import create_app
    from api.openapi import dump_description
    from settings import load_settings

    typer.echo(dump_description(create_app(load_settings())), nl=False)


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def worker() -> None:
    """Run the service that does the work: it downloads, stores, and delivers webhooks."""
    settings = _configure()
    import worker as workers

    __import__("uvloop").run(workers.run(settings))


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def simulator(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="Port to listen on.", min=1, max=65_535)] = 8900,
) -> None:
    """Run a simulated court for tries and tests, with faults on demand."""
    _configure()
    _exit_on_sigterm()
    _listen(host, port, chosen_by="--host and --port").close()  # For the clear error.
    from simulator.server import serve

    serve(host, port)


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def migrate(
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for the database and Temporal.", min=0)
    ] = 0,
) -> None:
    """Prepare the database and Temporal for this version, before the API and the worker run. It may be repeated."""
    settings = _configure()
    from adapters.database.migrate import upgrade
    from adapters.temporal.connection import connection_config

    connection_config()  # For the clear error, before anything is changed.
    deadline = time.monotonic() + wait
    _retry_until(lambda: upgrade(settings.effective_database_url), deadline)
    _retry_until(lambda: asyncio.run(_register_search_attributes()), deadline)
    typer.echo("The database and Temporal are up to date.", err=True)


@app.command(cls=Command, rich_help_panel=_SERVICE_PANEL)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A receiver whose server to reach, without an event. Default: AUTOS_ALERT_WEBHOOK_URL.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check every part from this machine, with the settings of its services, and say what to do."""
    from cli.doctor.command import run

    raise typer.Exit(asyncio.run(run(webhook_url, as_json=as_json)))


async def _register_search_attributes() -> None:
    from adapters.temporal import connection
    from workflows.search_attributes import SEARCH_ATTRIBUTES

    await connection.register_search_attributes(await connection.connect(), SEARCH_ATTRIBUTES)


def _retry_until(work: Callable[[], None], deadline: float) -> None:
    """Call ``work`` again while a dependency does not answer, with exponential backoff, until the deadline."""
    pause, last_message = 0.25, ""
    while True:
        try:
            return work()
        except DependencyUnavailable as error:
            left = deadline - time.monotonic()
            if pause > left:
                raise
            if str(error) != last_message:
                last_message = str(error)
                typer.echo(f"autos: {_explain(error)} Trying again for {left:.0f} s.", err=True)
        time.sleep(pause)
        pause = min(2 * pause, 5.0)


def _configure() -> Settings:
    """Read the settings and configure logging."""
    from adapters.logs import configure_logging
    from cli.authorities import check_authorities
    from settings import load_settings

    settings = load_settings()
    check_authorities()
    configure_logging(settings.log_format, settings.log_level)
    return settings


def _listen(host: str, port: int, *, chosen_by: str) -> socket.socket:
    """Open the port before anything else, so that a port in use is a one-line error and not a traceback."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}. {chosen_by} choose another."
        ) from None


def _exit_on_sigterm() -> None:
    """Exit with 0 on SIGTERM. Uvicorn stops gracefully and then raises the signal again, which would be 143."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ExitCode.OK))


def main() -> None:
    """Run `autos` and end the process. An expected failure is one line on standard error and an exit code."""
    from devstack.hard_exit import hard_exit

    hard_exit(_run())


def _run() -> int:
    try:
        return run_app(app, program="autos")
    except AutosError as error:
        typer.echo(f"autos: {_explain(error)}", err=True)
        if isinstance(error, ConfigurationError | InvalidInput):
            return ExitCode.USAGE
        return ExitCode.UNAVAILABLE if isinstance(error, DependencyUnavailable) else ExitCode.FATAL


def _explain(error: AutosError) -> str:
    """Return the text of an error for the operator, with where the dependency is expected if that is known."""
    place = error.place if isinstance(error, DependencyUnavailable) else ""
    return f"{error} {place}".rstrip()


if __name__ == "__main__":
    main()
