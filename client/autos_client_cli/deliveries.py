"""`deliveries`: list webhook deliveries, redeliver them, and test or enable an endpoint."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import Command, Group, examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.options import AsJson, AsLines
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t
from autos_client_cli.words import number_text

if TYPE_CHECKING:
    from autos_client import Delivery, Endpoint

app = typer.Typer(
    pretty_exceptions_enable=False,
    cls=Group,
    invoke_without_command=True,
    help=t("Webhook deliveries: list them, the newest first; redeliver; test or enable an endpoint."),
    epilog=examples(
        "deliveries --status failed",
        "deliveries redeliver --failed-since 2026-01-31T12:00",
        "deliveries test https://example.org/autos",
    ),
)


@app.callback()
def deliveries(
    context: typer.Context,
    delivery_status: Annotated[
        str | None, typer.Option("--status", metavar=t("STATUS"), help=t("Only pending, delivered or failed ones."))
    ] = None,
    process: Annotated[str | None, typer.Option(metavar=t("NUMBER"), help=t("Only those of a process."))] = None,
    as_json: AsLines = False,
) -> None:
    """List webhook deliveries, the newest first."""
    if context.invoked_subcommand is not None:
        return
    number = canonical_number(process) if process else None
    with open_client(context) as autos:
        listed = autos.deliveries(status=delivery_status, process_number=number)
        if as_json:
            print_json_lines(listed)
            return
        rows = [_delivery_row(delivery) for delivery in listed]
    if rows:
        print_table(
            [
                ("ID", t("EVENT"), t("PROCESS"), t("STATUS"), t("TRIES"), t("LAST ANSWER"), t("CREATED"), "URL"),
                *rows,
            ]
        )
    else:
        print_line(t("There are no such deliveries."), err=True)


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("Send an event again, under its own id; or all that failed, up to a hundred at a time."),
    epilog=examples("deliveries redeliver --failed-since 2026-01-31T12:00"),
)
def redeliver(
    context: typer.Context,
    delivery_id: Annotated[str | None, typer.Argument(metavar="ID", help=t("The delivery's id."))] = None,
    failed_since: Annotated[
        str | None,
        typer.Option(metavar=t("TIME"), help=t("Instead: all that failed for good since, as in 2026-01-31T12:00.")),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send an event again, under its own id; or all that failed, up to a hundred at a time."""
    if (delivery_id is None) is (failed_since is None):
        raise CommandError(t("Name a delivery, or give --failed-since."), ExitCode.USAGE)
    with open_client(context) as autos:
        if failed_since is not None:
            redelivered = autos.redeliver_failed(_parse_time(failed_since))
            if as_json:
                print_json_lines([redelivered])
                return
            print_line(t("{count} are sent once more.", count=number_text(redelivered.redelivered)))
            if redelivered.more:
                print_line(t("There are more: run the command again."), err=True)
            return
        delivery = autos.redeliver(delivery_id or "")
    if as_json:
        print_json_lines([delivery])
    else:
        text = t("{event} is sent to {url} once more.", event=delivery.event_type, url=delivery.url)
        print_line(text)


@app.command(
    "test",
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("Send a signed webhook.test event to a URL. Its result appears in the list of deliveries."),
    epilog=examples("deliveries test https://example.org/autos"),
)
def send_test(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help=t("The endpoint's URL."))],
    as_json: AsJson = False,
) -> None:
    """Send a signed webhook.test event to a URL. Its result appears in the list of deliveries."""
    with open_client(context) as autos:
        delivery = autos.test_webhook(url)
    if as_json:
        print_json_lines([delivery])
    else:
        print_line(t("{event} is sent to {url}.", event=delivery.id, url=delivery.url))


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("List failing endpoints, and those that are disabled because of it."),
    epilog=examples("deliveries endpoints"),
)
def endpoints(context: typer.Context, as_json: AsLines = False) -> None:
    """List failing endpoints, and those that are disabled because of it."""
    with open_client(context) as autos:
        failing = autos.endpoints()
    if as_json:
        print_json_lines(failing)
    elif failing:
        print_table([("ID", t("FAILING SINCE"), t("SWITCHED OFF"), "URL"), *map(_endpoint_row, failing)])
    else:
        print_line(t("No endpoint is failing."), err=True)


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("Enable an endpoint that was disabled."),
    epilog=examples("deliveries enable 0123456789abcdef0123456789abcdef"),
)
def enable(
    context: typer.Context,
    endpoint_id: Annotated[str, typer.Argument(metavar="ID", help=t("The endpoint's id."))],
    as_json: AsJson = False,
) -> None:
    """Enable an endpoint that was disabled."""
    with open_client(context) as autos:
        endpoint = autos.enable_endpoint(endpoint_id)
    if as_json:
        print_json_lines([endpoint])
    else:
        print_line(t("Events go to {url} again.", url=endpoint.url))


def _parse_time(text: str) -> datetime:
    try:
        # Without an offset it is this machine's time.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise CommandError(
            t("A time is written as in 2026-01-31T12:00 or 2026-01-31T12:00:00Z."), ExitCode.USAGE
        ) from None


def _delivery_row(delivery: Delivery) -> tuple[str, ...]:
    last = delivery.attempts[-1] if delivery.attempts else None
    return (
        delivery.id,
        delivery.event_type,
        delivery.process_number or "",
        delivery.status,
        str(len(delivery.attempts)),
        str(last.status_code or last.error or "") if last else "",
        local_time(delivery.created_at),
        delivery.url,
    )


def _endpoint_row(endpoint: Endpoint) -> tuple[str, ...]:
    disabled = local_time(endpoint.switched_off_at) if endpoint.switched_off_at else t("no")
    return (endpoint.id, local_time(endpoint.failing_since), disabled, endpoint.url)
