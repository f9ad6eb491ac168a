"""`autos key`: who may use the API. Works on the database itself, so that the first key needs no running API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from domain.clients import Scope
from domain.keys import MOST_REQUESTS_PER_MINUTE, USUAL_REQUESTS_PER_MINUTE, ApiKey
from domain.representation import Json, moment

if TYPE_CHECKING:
    from adapters.database.clients import Clients

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # They print local variables, and those hold keys.
    help="API keys and webhook secrets: make, list, revoke, change. Works on the database, without a running API.",
)

_Found = TypeVar("_Found")
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The client's name. A client may have several keys.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What the key allows; repeat it.", show_default="read, download")
    ] = None,
    requests_per_minute: Annotated[
        int, typer.Option(min=0, max=MOST_REQUESTS_PER_MINUTE, help="The key's rate limit; 0 is none.")
    ] = USUAL_REQUESTS_PER_MINUTE,
    as_json: _AsJson = False,
) -> None:
    """Make a key. It is printed this once; a new client's webhook secret is printed behind it."""
    scopes = frozenset(scope or (Scope.READ, Scope.DOWNLOAD))
    made = _with_clients(lambda clients: clients.add_key(name, scopes, requests_per_minute or None))
    if as_json:
        typer.echo(json.dumps({**_body(made.record), "key": made.text, "webhook_secret": made.webhook_secret}))
        return
    typer.echo(made.text)
    _note(f"This is the key {made.record.id} of {name}. It is not shown again: keep it now.")
    if made.webhook_secret is not None:
        typer.echo(made.webhook_secret)
        _note(f"Behind it stands the secret that signs the webhooks of {name}. It is not shown again either.")


@app.command("list")
def list_keys(as_json: _AsJson = False) -> None:
    """List every key, revoked ones too. No secret is shown."""
    keys = _with_clients(lambda clients: clients.keys())
    if as_json:
        typer.echo(json.dumps({"keys": [_body(key) for key in keys]}))
        return
    if not keys:
        _note("There are no keys. Make one with `autos key new NAME`.")
        return
    rows = [("ID", "CLIENT", "SCOPES", "PER MINUTE", "CREATED", "REVOKED"), *map(_row, keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id: what stands behind `autos_`.")],
) -> None:
    """End a key: the very next request with it is refused."""
    key = _with_clients(lambda clients: clients.revoke(key_id))
    _note(f"The key {key.id} of {key.client} is revoked.")


@app.command("rotate-secret")
def rotate_secret(
    name: Annotated[str, typer.Argument(help="The client's name.")],
    as_json: _AsJson = False,
) -> None:
    """Give a client a new webhook secret, printed this once. For 24 hours, events are signed with both."""
    secret = _with_clients(lambda clients: clients.rotate_webhook_secret(name))
    if as_json:
        typer.echo(json.dumps({"client": name, "webhook_secret": secret}))
        return
    typer.echo(secret)
    _note(f"Events for {name} are signed with this secret from now on, and with the one before for 24 hours more.")


def _with_clients(work: Callable[[Clients], Awaitable[_Found]]) -> _Found:
    """Do something in the clients' room of the catalog that the settings name."""
    from adapters.database import Catalog, Database
    from adapters.sealing import Seal
    from settings import load_settings

    settings = load_settings()
    seal = Seal(settings.secret_keys) if settings.secret_keys else None

    async def run() -> _Found:
        catalog = Catalog(Database(settings.effective_database_url), seal)
        try:
            return await work(catalog.clients)
        finally:
            await catalog.close()

    return asyncio.run(run())


def _body(key: ApiKey) -> Json:
    return {
        "id": key.id,
        "client": key.client,
        "scopes": sorted(key.scopes),
        "requests_per_minute": key.requests_per_minute,
        "created_at": moment(key.created_at),
        "revoked_at": moment(key.revoked_at),
    }


def _row(key: ApiKey) -> tuple[str, ...]:
    limit = str(key.requests_per_minute) if key.requests_per_minute else "no limit"
    created, revoked = (f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (key.created_at, key.revoked_at))
    return key.id, key.client, " ".join(sorted(key.scopes)), limit, created, revoked


def _note(text: str) -> None:
    typer.echo(text, err=True)
