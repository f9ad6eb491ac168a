"""`autos deliveries`: what was sent to receivers of webhooks, sending it again, and trying an address."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands.api import canonical, local_time, plain, print_lines, print_table, speaking
from domain.errors import InvalidInput

if TYPE_CHECKING:
    from autos_client import Delivery, Endpoint

app = typer.Typer(
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    help="Webhook deliveries: list them, the newest first, send some once more, try an address, switch one on.",
)

_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
_AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


@app.callback()
def deliveries(
    context: typer.Context,
    delivery_status: Annotated[
        str | None, typer.Option("--status", help="Only pending, delivered or failed ones.")
    ] = None,
    process: Annotated[str | None, typer.Option(metavar="NUMBER", help="Only those of a process.")] = None,
    as_json: _AsLines = False,
) -> None:
    """List webhook deliveries, the newest first."""
    if context.invoked_subcommand is not None:
        return
    number = canonical(process) if process else None
    with speaking() as autos:
        found = autos.deliveries(status=delivery_status, process_number=number)
        if as_json:
            print_lines(found)
            return
        rows = [_row(each) for each in found]
    if rows:
        print_table([("ID", "EVENT", "PROCESS", "STATUS", "TRIES", "LAST ANSWER", "CREATED", "URL"), *rows])
    else:
        typer.echo("There are no such deliveries.", err=True)


@app.command()
def redeliver(
    delivery_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The delivery's id.")] = None,
    failed_since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Instead: all that were given up since, as in 2026-01-31T12:00."),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Send an event once more, under its own id; or all of them that failed, a hundred at a time."""
    if (delivery_id is None) is (failed_since is None):
        raise InvalidInput("Name a delivery, or give --failed-since.")
    with speaking() as autos:
        if failed_since is not None:
            again = autos.redeliver_failed(_moment(failed_since))
            if as_json:
                print_lines([again])
                return
            typer.echo(f"{again.redelivered} are sent once more.")
            if again.more:
                typer.echo("There are more: ask again.", err=True)
            return
        sent = autos.redeliver(delivery_id or "")
    if as_json:
        print_lines([sent])
    else:
        typer.echo(f"{plain(sent.event_type)} is sent to {plain(sent.url)} once more.")


@app.command("test")
def send_test(
    url: Annotated[str, typer.Argument(metavar="URL", help="The address.")], as_json: _AsJson = False
) -> None:
    """Send a signed webhook.test to an address. What comes of it is in the list of deliveries."""
    with speaking() as autos:
        sent = autos.test_webhook(url)
    if as_json:
        print_lines([sent])
    else:
        typer.echo(f"{sent.id} is sent to {plain(sent.url)}.")


@app.command()
def endpoints(as_json: _AsLines = False) -> None:
    """List the addresses that take nothing at present, and those that are switched off because of it."""
    with speaking() as autos:
        found = autos.endpoints()
    if as_json:
        print_lines(found)
    elif found:
        print_table([("ID", "FAILING SINCE", "SWITCHED OFF", "URL"), *map(_endpoint_row, found)])
    else:
        typer.echo("Every address takes what is sent to it.", err=True)


@app.command()
def enable(
    endpoint_id: Annotated[str, typer.Argument(metavar="ID", help="The address's id.")], as_json: _AsJson = False
) -> None:
    """Send to an address again that was switched off."""
    with speaking() as autos:
        found = autos.enable_endpoint(endpoint_id)
    if as_json:
        print_lines([found])
    else:
        typer.echo(f"Events go to {plain(found.url)} again.")


def _moment(text: str) -> datetime:
    try:
        # Without an offset it is this machine's time.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise InvalidInput("A time is written as in 2026-01-31T12:00 or 2026-01-31T12:00:00Z.") from None


def _row(each: Delivery) -> tuple[str, ...]:
    last = each.attempts[-1] if each.attempts else None
    return (
        each.id,
        each.event_type,
        each.process_number or "",
        each.status,
        str(len(each.attempts)),
        str(last.status_code or last.error or "") if last else "",
        local_time(each.created_at),
        each.url,
    )


def _endpoint_row(each: Endpoint) -> tuple[str, ...]:
    off = local_time(each.switched_off_at) if each.switched_off_at else "no"
    return (each.id, local_time(each.failing_since), off, each.url)
