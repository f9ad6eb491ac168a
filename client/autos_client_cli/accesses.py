"""`accesses`: who was handed which document how, when and for what purpose."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import examples
from autos_client_cli.options import AsLines
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table, printable
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t
from autos_client_cli.words import number_text

if TYPE_CHECKING:
    from autos_client import Access

ACCESSES_HELP = t("List who was handed which documents, the newest first. Needs a key with the scope admin.")
ACCESSES_EXAMPLES = examples(
    "accesses --process 1011745-77.2025.8.11.0041", "accesses --client desk --csv > accesses.csv"
)
# The columns of the service's own CSV, which nothing translates.
_COLUMNS = (
    *("at", "client", "key_id", "how", "process_number", "document_id", "request_id", "event_id", "purpose"),
)
# Spreadsheets take a cell that begins with one of these for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def list_accesses(
    context: typer.Context,
    process: Annotated[
        str | None, typer.Option(metavar=t("NUMBER"), help=t("Only accesses to documents of a process."))
    ] = None,
    document: Annotated[
        str | None,
        typer.Option(metavar="ID", help=t("Only accesses to this document of the process; needs --process.")),
    ] = None,
    client: Annotated[str | None, typer.Option(metavar=t("NAME"), help=t("Only accesses of a client."))] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", show_default=False, help=t("At most so many; 0 is all. Default: 50, or all as CSV.")
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help=t("Print CSV, one line for each document."))] = False,
    as_json: AsLines = False,
) -> None:
    """List who was handed which documents, the newest first."""
    if document and not process:
        raise typer.BadParameter(t("A document is looked for in a process: give --process too."))
    number = canonical_number(process) if process else None
    most = limit if limit is not None else 0 if as_csv else 50
    with open_client(context) as autos:
        listed = autos.accesses(process_number=number, document_id=document, client=client)
        if as_csv:
            _print_csv(islice(listed, most) if most else listed, document)
            return
        shown = list(islice(listed, most) if most else listed)
        has_more = bool(most) and next(listed, None) is not None
    if as_json:
        print_json_lines(shown)
    elif shown:
        headings = (t("WHEN"), t("CLIENT"), t("KEY"), t("HOW"), t("PROCESS"), t("DOCUMENTS"), t("PURPOSE"))
        print_table([headings, *map(_row, shown)])
    else:
        print_line(t("There are no such accesses."), err=True)
    if has_more:
        print_line(t("There are more: --limit 0 shows all."), err=True)


def _row(access: Access) -> tuple[str, ...]:
    return (
        local_time(access.at),
        access.client,
        access.key_id or "",
        access.how,
        access.process_number,
        number_text(len(access.document_ids)),
        access.purpose or "",
    )


def _print_csv(listed: Iterable[Access], document: str | None) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    for access in listed:
        writer.writerows(_csv_lines(access, document))


def _csv_lines(access: Access, document: str | None) -> Iterator[list[str]]:
    for document_id in access.document_ids:
        # A former content has the id of its document, a slash and its version.
        if document is not None and document_id.partition("/")[0] != document:
            continue
        cells = {**access.model_dump(mode="json", exclude={"document_ids"}), "document_id": document_id}
        yield [_without_formula(printable(cells[name] or "")) for name in _COLUMNS]


def _without_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
