"""`watch`: have processes watched, and list or remove watches; `events`: what you were told."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import Command, Group, examples
from autos_client_cli.durations import parse_duration
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.options import AsLines, AtMost
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.text_input import read_lines
from autos_client_cli.texts import t
from autos_client_cli.words import duration_text, number_text

if TYPE_CHECKING:
    from autos_client import Event, Watch, WatchItem

WATCH_HELP = t(
    "Watch processes: the service looks at them at intervals, and tells what is new by webhook and in `events`."
)
EVENTS_HELP = t("List what you were told, or would have been told by webhook, the oldest first.")
EVENTS_EXAMPLES = examples("events", "events --after 120 --json")

_WATCHES_AT_ONCE = 1000
_STATES = {
    "active": t("active"),
    "late": t("late"),
    "no_access": t("no access"),
    "not_found": t("not found"),
}

app = typer.Typer(
    pretty_exceptions_enable=False,
    cls=Group,
    no_args_is_help=True,
    help=WATCH_HELP,
    epilog=examples(
        "watch add 1011745-77.2025.8.11.0041 --webhook-url https://example.org/autos",
        "watch add --file numbers.txt --list-only",
        "watch list --state late",
        "watch remove 1011745-77.2025.8.11.0041",
    ),
)

_Numbers = Annotated[
    list[str] | None, typer.Argument(metavar=t("NUMBER…"), help=t("The process numbers."), show_default=False)
]


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t(
        "Watch processes, or change what their watches do.\n\n"
        "What the first look shows is not new. Whether reading through the portal counts as taking notice (ciência)"
        " of a pending communication is not known: --list-only is the careful way."
    ),
    epilog=examples("watch add 1011745-77.2025.8.11.0041 --every 12h"),
)
def add(
    context: typer.Context,
    numbers: _Numbers = None,
    file: Annotated[
        str | None,
        typer.Option(metavar=t("FILE"), help=t("Also the numbers in a file, one a line; - is standard input.")),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar=t("TIME"), help=t("The longest time between two looks, as in 1h or 24h. Default: 24h.")
        ),
    ] = None,
    webhook_url: Annotated[str | None, typer.Option(metavar="URL", help=t("Where events are sent."))] = None,
    always: Annotated[
        bool, typer.Option("--always", help=t("Be told of every look, also if nothing is new."))
    ] = False,
    list_only: Annotated[
        bool, typer.Option("--list-only", help=t("Only list the documents at the court, and download none."))
    ] = False,
    as_json: AsLines = False,
) -> None:
    """Watch processes, or change what their watches do."""
    lines = [canonical_number(number) for number in numbers or ()] + (read_lines(file) if file else [])
    if not lines:
        raise CommandError(t("Name at least one process number."), ExitCode.USAGE)
    seconds = int(parse_duration(every, "--every")) if every else None
    items: list[WatchItem] = []
    with open_client(context) as autos:
        for first in range(0, len(lines), _WATCHES_AT_ONCE):
            made = autos.add_watches(
                lines[first : first + _WATCHES_AT_ONCE],
                every_seconds=seconds,
                webhook_url=webhook_url,
                notify="always" if always else None,
                download=False if list_only else None,
            )
            items += made.items
    watched = sum(item.state == "watched" for item in items)
    if as_json:
        print_json_lines(items)
    else:
        for item in items:
            if item.state != "watched":
                why = item.problem.detail if item.problem else item.state
                print_line(f"{item.process_number or item.given}: {why}", err=True)
        print_line(t("{count} watched.", count=number_text(watched)))
    if watched < len(items):
        raise typer.Exit(ExitCode.PARTIAL)


@app.command(
    "list",
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("List the processes that you watch, the newest first."),
    epilog=examples("watch list --state late"),
)
def list_watches(
    context: typer.Context,
    state: Annotated[
        str | None,
        typer.Option(metavar=t("STATE"), help=t("Only active, late, no_access or not_found ones.")),
    ] = None,
    limit: AtMost = 50,
    as_json: AsLines = False,
) -> None:
    """List the processes that you watch, the newest first."""
    with open_client(context) as autos:
        listed = autos.watches(state=state)
        shown = list(islice(listed, limit)) if limit else list(listed)
        has_more = bool(limit) and next(listed, None) is not None
    if as_json:
        print_json_lines(shown)
    elif shown:
        headings = (t("PROCESS"), t("CLIENT"), t("STATE"), t("EVERY"), t("LAST LOOK"), t("NEXT LOOK"), "URL")
        print_table([headings, *map(_row, shown)])
    else:
        print_line(t("There are no such watches."), err=True)
    if has_more:
        print_line(t("There are more: --limit 0 shows all."), err=True)


@app.command(
    cls=Command,
    rich_help_panel=t("Commands"),
    help=t("Stop watching processes. What you were told remains in `events`."),
    epilog=examples("watch remove 1011745-77.2025.8.11.0041"),
)
def remove(
    context: typer.Context,
    numbers: Annotated[list[str], typer.Argument(metavar=t("NUMBER…"), help=t("The process numbers."))],
) -> None:
    """Stop watching processes."""
    canonical = [canonical_number(number) for number in numbers]
    with open_client(context) as autos:
        for number in canonical:
            autos.remove_watch(number)
            print_line(t("{number}: no longer watched.", number=number))


def list_events(
    context: typer.Context,
    after: Annotated[
        int, typer.Option(min=0, metavar="N", show_default=False, help=t("Only those after this number."))
    ] = 0,
    limit: AtMost = 50,
    as_json: AsLines = False,
) -> None:
    """List what you were told, the oldest first."""
    shown: list[Event] = []
    with open_client(context) as autos:
        missed = False
        while True:
            page = autos.events(after, limit=min(limit - len(shown), 100) if limit else 100)
            missed = missed or page.missed
            shown += page.events
            after = page.next_after
            if not page.has_more or (limit and len(shown) >= limit):
                break
    if missed:
        print_line(t("Some events are no longer kept."), err=True)
    if as_json:
        print_json_lines(shown)
    elif shown:
        print_table([(t("NUMBER"), t("WHEN"), t("EVENT"), t("PROCESS"), t("DOCUMENTS")), *map(_event_row, shown)])
    else:
        print_line(t("There are no such events."), err=True)
    if page.has_more:
        print_line(t("There are more: --after {number} shows them.", number=after), err=True)


def _row(watch: Watch) -> tuple[str, ...]:
    state = _STATES.get(watch.state, watch.state.replace("_", " "))
    return (
        watch.process_number,
        watch.client,
        f"{state} ({watch.failure_code})" if watch.failure_code and watch.state == "late" else state,
        duration_text(watch.every_seconds),
        local_time(watch.last_checked_at) if watch.last_checked_at else "",
        local_time(watch.next_look_at),
        watch.webhook_url or "",
    )


def _event_row(event: Event) -> tuple[str, ...]:
    names = ("added_documents", "unlisted_documents", "changed_documents", "total_documents")
    count = next((event.data[name] for name in names if event.data.get(name) is not None), None)
    return (
        str(event.number),
        local_time(event.timestamp),
        event.type,
        str(event.data.get("process_number") or ""),
        number_text(count) if isinstance(count, int) else "",
    )
