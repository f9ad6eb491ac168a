"""`list`: the processes that the service knows."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import examples
from autos_client_cli.options import AsLines, AtMost
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table
from autos_client_cli.texts import t
from autos_client_cli.words import number_text, size_text, status_named, status_words

if TYPE_CHECKING:
    from autos_client import ProcessSummary

LIST_HELP = t("List the processes that the service knows, the newest first.")
LIST_EXAMPLES = examples(
    "list", "list --status partial --court TJMT --limit 500", "list -q | {program} get - -o documents"
)


def list_processes(
    context: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(
            metavar=t("STATUS"),
            help=t("Only processes that are processing, completed, partial, failed, empty or pending."),
        ),
    ] = None,
    court: Annotated[
        str | None, typer.Option(metavar=t("COURT"), help=t("Only processes of a court, such as TJMT."))
    ] = None,
    limit: AtMost = 50,
    as_json: AsLines = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help=t("Print the numbers only."))] = False,
) -> None:
    """List the processes that the service knows, the newest first."""
    with open_client(context) as autos:
        listed = autos.processes(status=status_named(status) if status else None, court=court)
        shown = list(islice(listed, limit)) if limit else list(listed)
        has_more = bool(limit) and next(listed, None) is not None
    if as_json:
        print_json_lines(shown)
    elif quiet:
        for process in shown:
            print_line(process.process_number)
    elif shown:
        headings = (t("PROCESS"), t("COURT"), t("STATUS"), t("DOCUMENTS"), t("SIZE"), t("REQUESTED"))
        print_table([headings, *map(_row, shown)])
    else:
        print_line(t("There are no such processes."), err=True)
    if has_more:
        print_line(t("There are more: --limit 0 shows all."), err=True)


def _row(process: ProcessSummary) -> tuple[str, ...]:
    return (
        process.process_number,
        process.court,
        status_words(process.status, process.phase),
        f"{number_text(process.available_documents)}/{number_text(process.total_documents)}",
        size_text(process.available_bytes),
        local_time(process.created_at) if process.created_at else "",
    )
