"""`timeline` and `changes`: what happened in a case, and what is new in it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import Command, examples
from autos_client_cli.options import AsLines, AtMost
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t

if TYPE_CHECKING:
    from autos_client import CaseDocument, Change, TimelineEntry

app = typer.Typer(pretty_exceptions_enable=False)

_KINDS = {
    "document_added": t("document added"),
    "document_unlisted": t("document no longer listed"),
    "document_relisted": t("document listed again"),
    "document_changed": t("document changed"),
    "movement_added": t("movement added"),
    "secrecy_changed": t("secrecy changed"),
}
_FIELDS = {
    "name": t("name"),
    "filed_at": t("filing date"),
    "size_bytes": t("size"),
    "secrecy": t("secrecy"),
    "process": t("process"),
    "instance": t("instance"),
}

_Number = Annotated[str, typer.Argument(metavar=t("NUMBER"), help=t("The process number."))]


@app.command(
    cls=Command,
    rich_help_panel=t("Processes"),
    help=t("Show the movements and documents of a process in the order of time, the latest first."),
    epilog=examples("timeline 1011745-77.2025.8.11.0041", "timeline 1011745-77.2025.8.11.0041 --limit 0 --json"),
)
def timeline(
    context: typer.Context,
    number: _Number,
    limit: AtMost = 50,
    as_json: AsLines = False,
) -> None:
    """Show the movements and documents of a process in the order of time, the latest first."""
    with open_client(context) as autos:
        listed = autos.timeline(canonical_number(number))
        shown = list(islice(listed, limit)) if limit else list(listed)
        has_more = bool(limit) and next(listed, None) is not None
    if as_json:
        print_json_lines(shown)
    elif shown:
        print_table([(t("WHEN"), t("DEGREE"), t("WHAT"), t("DOCUMENT")), *map(_entry_row, shown)])
    else:
        print_line(t("Nothing is known of what happened in this process."), err=True)
    if has_more:
        print_line(t("There are more: --limit 0 shows all."), err=True)


@app.command(
    cls=Command,
    rich_help_panel=t("Processes"),
    help=t("Show what is new in a process since the first listing, or since a change that you have seen."),
    epilog=examples("changes 1011745-77.2025.8.11.0041", "changes 1011745-77.2025.8.11.0041 --after 12 --json"),
)
def changes(
    context: typer.Context,
    number: _Number,
    after: Annotated[
        int,
        typer.Option(min=0, metavar="N", show_default=False, help=t("Only changes after the one of this number.")),
    ] = 0,
    as_json: AsLines = False,
) -> None:
    """Show what is new in a process since the first listing, or since a change that you have seen."""
    with open_client(context) as autos:
        listed = list(autos.changes(canonical_number(number), after=after))
    if as_json:
        print_json_lines(listed)
    elif listed:
        print_table([("N", t("SEEN"), t("CHANGE"), t("WHAT"), t("DOCUMENT")), *map(_change_row, listed)])
    else:
        print_line(t("Nothing has changed."), err=True)


def _entry_row(entry: TimelineEntry) -> tuple[str, ...]:
    when = local_time(entry.at) if entry.at else ""
    if entry.movement is not None:
        movement = entry.movement
        return when, movement.degree or "", movement.text or "", movement.document_id or ""
    if entry.document is not None:
        return when, entry.document.degree or "", _document_text(entry.document), entry.document.id
    return when, "", "", ""


def _change_row(change: Change) -> tuple[str, ...]:
    document, movement = change.document, change.movement
    what = movement.text or "" if movement else _document_text(document) if document else ""
    document_id = document.id if document else (movement.document_id or "" if movement else "")
    parts = [part for part in (what, _details_text(change)) if part]
    kind = _KINDS.get(change.kind, change.kind.replace("_", " "))
    return str(change.sequence), local_time(change.seen_at), kind, " · ".join(parts), document_id


def _document_text(document: CaseDocument) -> str:
    return document.name or document.type or ""


def _details_text(change: Change) -> str:
    details = change.details
    subject = str(details.get("field") or details.get("of") or "")
    if not subject:
        return ""
    named = f"{_FIELDS.get(subject, subject)} {details.get('instance') or ''}".strip()
    return f"{named}: {details.get('from')} → {details.get('to')}"
