"""`autos key`: API keys and webhook secrets. Works on the database, so that the first key needs no running API."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from autos_client_cli.command_help import Command, Group
from autos_client_cli.printing import print_table
from domain.clients import Scope
from domain.keys import DEFAULT_REQUESTS_PER_MINUTE, MAX_REQUESTS_PER_MINUTE, ApiKey
from domain.serializers import Json, format_timestamp
from domain.text import counted

if TYPE_CHECKING:
    from adapters.database.clients import ClientRepository

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold keys.
    help="API keys and webhook secrets: create, list, revoke, rotate. Works on the database, not through the API.",
)

_COLUMNS = ("ID", "CLIENT", "SCOPES", "PER MINUTE", "CREATED", "LAST USED", "EXPIRES", "REVOKED")
_UNITS = {"d": "days", "h": "hours"}

T = TypeVar("T")
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def _parse_lifetime(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,4})([dh])", text)
    if match is None:
        raise typer.BadParameter("Write a number and d for days or h for hours, as in 90d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("Write a date or a time, as in 2027-01-31 or 2027-01-31T12:00Z.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


@app.command(cls=Command)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The client's name. A client may have several keys.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What the key allows; repeat it.", show_default="read, download")
    ] = None,
    requests_per_minute: Annotated[
        int, typer.Option(metavar="N", min=0, max=MAX_REQUESTS_PER_MINUTE, help="The key's rate limit; 0 is none.")
    ] = DEFAULT_REQUESTS_PER_MINUTE,
    expires_in: Annotated[
        timedelta | None,
        typer.Option(
            metavar="90d", parser=_parse_lifetime, help="When it expires: in so many days (d) or hours (h)."
        ),
    ] = None,
    expires_at: Annotated[
        datetime | None,
        typer.Option(
            metavar="2027-01-31T12:00Z",
            parser=_parse_time,
            help="When it expires: at this time; UTC unless it says otherwise. By default, a key never expires.",
        ),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Create a key. It is printed only now; a new client's webhook secret is printed after it."""
    if expires_in is not None and expires_at is not None:
        raise typer.BadParameter("Give --expires-in or --expires-at, not both.")
    if expires_in is not None:
        expires_at = datetime.now(UTC) + expires_in
    scopes = frozenset(scope or (Scope.READ, Scope.DOWNLOAD))
    limit = requests_per_minute or None
    created = _with_clients(lambda clients: clients.add_key(name, scopes, limit, expires_at=expires_at))
    if created.is_first:
        _warn_of_first_key()
    if as_json:
        typer.echo(
            json.dumps({**_key_json(created.record), "key": created.text, "webhook_secret": created.webhook_secret})
        )
        return
    typer.echo(created.text)
    expiry = f" It expires at {expires_at:%Y-%m-%d %H:%M} UTC." if expires_at else ""
    _print_note(f"This is the key {created.record.id} of {name}. It is not shown again: keep it now.{expiry}")
    if created.webhook_secret is not None:
        typer.echo(created.webhook_secret)
        _print_note(f"After it, the secret that signs the webhooks of {name}. It is not shown again either.")


@app.command("list", cls=Command)
def list_keys(as_json: _AsJson = False) -> None:
    """List every key, also revoked and expired ones, and warn of those that expire soon. No secret is shown."""
    keys = _with_clients(lambda clients: clients.list_keys())
    if as_json:
        typer.echo(json.dumps({"keys": [_key_json(key) for key in keys]}))
        return
    if not keys:
        _print_note("There are no keys. Make one with `autos key new NAME`.")
        return
    print_table([_COLUMNS, *map(_key_row, keys)])
    now = datetime.now(UTC)
    for key in keys:
        if key.expires_at is not None and key.expires_soon(now):
            _print_note(f"The key {key.id} of {key.client} {_describe_expiry(key.expires_at - now)}.")


@app.command(cls=Command)
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id: the part after `autos_`.")],
) -> None:
    """Revoke a key. The next request with it is refused."""
    key = _with_clients(lambda clients: clients.revoke_key(key_id))
    _print_note(f"The key {key.id} of {key.client} is revoked.")
    _warn_of_last_key()


@app.command("rotate-secret", cls=Command)
def rotate_secret(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The client's name.")],
    as_json: _AsJson = False,
) -> None:
    """Create a new webhook secret for a client, printed only now. For 24 hours, events are signed with both."""
    secret = _with_clients(lambda clients: clients.rotate_webhook_secret(name))
    if as_json:
        typer.echo(json.dumps({"client": name, "webhook_secret": secret}))
        return
    typer.echo(secret)
    _print_note(f"Events for {name} are signed with this secret from now on, and for 24 hours with the old one.")


def _with_clients(work: Callable[[ClientRepository], Awaitable[T]]) -> T:
    """Run ``work`` on the client repository of the database that the settings name, and return its result."""
    from adapters.database import Catalog, Database
    from adapters.logs import configure_logging
    from adapters.security.encryption import Encryptor
    from settings import load_settings

    settings = load_settings()
    configure_logging(settings.log_format, settings.log_level)
    encryptor = Encryptor(settings.secret_keys) if settings.secret_keys else None

    async def run() -> T:
        catalog = Catalog(Database(settings.effective_database_url), encryptor)
        try:
            return await work(catalog.clients)
        finally:
            await catalog.close()

    return asyncio.run(run())


def _key_json(key: ApiKey) -> Json:
    return {
        "id": key.id,
        "client": key.client,
        "scopes": sorted(key.scopes),
        "requests_per_minute": key.requests_per_minute,
        "created_at": format_timestamp(key.created_at),
        "last_used_at": format_timestamp(key.last_used_at),
        "expires_at": format_timestamp(key.expires_at),
        "revoked_at": format_timestamp(key.revoked_at),
    }


def _key_row(key: ApiKey) -> tuple[str, ...]:
    limit = str(key.requests_per_minute) if key.requests_per_minute else "no limit"
    times = (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)
    shown = (f"{at:%Y-%m-%d %H:%M}" if at else "" for at in times)
    return key.id, key.client, " ".join(sorted(key.scopes)), limit, *shown


def _describe_expiry(left: timedelta) -> str:
    if left <= timedelta(0):
        return "has expired"
    if left < timedelta(days=1):
        return "expires within a day"
    return f"expires in {counted(left.days, 'day')}"


def _warn_of_first_key() -> None:
    from settings import load_settings

    if load_settings().api_key is not None:
        return  # Every request needs a key already.
    _print_note(
        "Warning: this is the first key. From now on the API refuses every request without a key, also those from "
        "this machine, and revoking the key does not change that.\n"
        "Set AUTOS_API_KEY to a key where you run `autos get`, `autos status` and the like; the page asks for one. "
        "Do not set it for the service: there it is the operator's own key, with every scope."
    )


def _warn_of_last_key() -> None:
    from settings import load_settings

    now = datetime.now(UTC)
    keys = _with_clients(lambda clients: clients.list_keys())
    if load_settings().api_key is None and not any(key.is_valid(now) for key in keys):
        _print_note(
            "Warning: no key is valid any more, so the API lets nobody in. Make one with `autos key new NAME`, "
            "or set AUTOS_API_KEY for the service."
        )


def _print_note(text: str) -> None:
    typer.echo(text, err=True)
