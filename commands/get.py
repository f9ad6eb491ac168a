"""`autos get`: documents of processes into folders, through a running API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.api import decoded, open_async, plain, read_standard_input, translating
from commands.exits import ExitCode
from domain.errors import ConfigurationError, InvalidInput, InvalidProcessNumber
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from collections.abc import Callable

    from autos_client import DownloadReport, Progress

_STANDARD_INPUT = "-"
# Of several processes, the worst decides what the command ends with.
_WORST_FIRST = (ExitCode.FATAL, ExitCode.NOT_FOUND, ExitCode.PARTIAL, ExitCode.OK)


def get(
    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER", help="Process numbers; - reads them from standard input, one a line."),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where a folder for each process is made.")
    ] = Path(),
    numbers_from: Annotated[
        str | None,
        typer.Option("-i", "--input", metavar="FILE", help="Further numbers, one a line; # begins a comment."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each process.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Start what is missing, and save only what is available now.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that have a document's name and are something else.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but what went wrong.")] = False,
) -> None:
    """Download processes, and save their documents as DIR/NUMBER/NNN - name.ext.

    Files are verified by SHA-256; what is there already is not brought again. Ends with 0 if every document is
    there, 6 if some are not, 3 if the court does not know a process, 7 if it refuses one.
    """
    wanted = _read(numbers or [], numbers_from)
    with translating():
        codes = asyncio.run(
            _get(wanted, output, as_json=as_json, wait=not no_wait, overwrite=overwrite, quiet=quiet)
        )
    raise typer.Exit(next(code for code in _WORST_FIRST if code in codes))


def _read(given: list[str], source: str | None) -> list[str]:
    """The numbers that are meant, each once.

    Raises:
        InvalidInput: one of them is not a process number, or there are none. Nothing was done.
    """
    texts = [text for text in given if text != _STANDARD_INPUT]
    if _STANDARD_INPUT in given or source == _STANDARD_INPUT:
        texts += _lines(read_standard_input())
    if source not in (None, _STANDARD_INPUT):
        try:
            texts += _lines(decoded(Path(str(source)).read_bytes()))
        except OSError as error:
            raise InvalidInput(f"Cannot read {source}: {error.strerror}.") from None
    found, wrong = [], []
    for text in texts:
        try:
            found.append(ProcessNumber.parse(text).canonical)
        except InvalidProcessNumber as error:
            wrong.append(f"{plain(text.strip()[:64])!r}: {error}")
    if wrong:
        raise InvalidInput("Nothing was done. " + " ".join(wrong))
    if not found:
        raise InvalidInput("Name at least one process number.")
    return list(dict.fromkeys(found))


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


async def _get(
    numbers: list[str], output: Path, *, as_json: bool, wait: bool, overwrite: bool, quiet: bool
) -> set[ExitCode]:
    codes = set()
    async with open_async() as autos:
        for number in numbers:
            folder = output / number
            with _shown(number, quiet=quiet) as on_progress:
                try:
                    report = await autos.download(
                        number, to=folder, wait=wait, overwrite=overwrite, on_progress=on_progress
                    )
                except OSError as error:
                    raise ConfigurationError(f"Cannot save in {folder}: {error.strerror or error}.") from None
            if as_json:
                typer.echo(json.dumps(_as_json(report), ensure_ascii=False))
            elif not quiet:
                typer.echo(_as_text(report))
            _complain(report)
            codes.add(_code(report))
    return codes


@contextmanager
def _shown(number: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """A bar on standard error for as long as the block lasts, if somebody sits there."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield None
        return
    counted = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*counted, console=console, transient=True) as bars:
        court = bars.add_task(f"{number} court", total=None)
        here = bars.add_task(f"{number} files", total=None)

        def show(progress: Progress) -> None:
            status = progress.status
            bars.update(
                court,
                description=f"{number} {status.phase or status.status}",
                total=status.total_documents or None,
                completed=status.available_documents,
            )
            bars.update(here, total=status.available_documents or None, completed=progress.files)

        yield show


def _as_text(report: DownloadReport) -> str:
    if report.empty:
        return f"{report.process_number}: the court lists no documents."
    there = len(report.saved) + len(report.skipped)
    failure = report.status.failure
    return f"{report.process_number}: {report.status.status}" + (
        f", {failure.code}."
        if failure and not there
        else f", {there} of {report.status.total_documents} documents in {report.folder} ({len(report.saved)} new)."
    )


def _complain(report: DownloadReport) -> None:
    failure = report.status.failure
    if failure:
        typer.echo(f"{report.process_number}: {failure.code}: {plain(failure.answer)}", err=True)
    for each in report.failed:
        name = plain(each.name or each.id)
        typer.echo(f"{report.process_number}: {name}: {each.code}: {plain(each.detail)}", err=True)
    if report.pending:
        typer.echo(f"{report.process_number}: {report.pending} documents are still to come.", err=True)


def _as_json(report: DownloadReport) -> dict[str, Any]:
    status = report.status

    def files(of: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [
            {"id": each.id, "file": each.path.name, "size_bytes": each.size_bytes, "sha256": each.sha256}
            for each in of
        ]

    return {
        "process_number": report.process_number,
        "status": status.status,
        "failure": status.failure.model_dump(mode="json") if status.failure else None,
        "complete": report.complete,
        "folder": str(report.folder),
        "total_documents": status.total_documents,
        "pending_documents": report.pending,
        "saved": files(report.saved),
        "skipped": files(report.skipped),
        "failed": [
            {"id": each.id, "name": each.name, "code": each.code, "detail": each.detail} for each in report.failed
        ],
    }


def _code(report: DownloadReport) -> ExitCode:
    if report.complete:
        return ExitCode.OK
    failure = report.status.failure
    if failure and failure.code == "not_found":
        return ExitCode.NOT_FOUND
    if failure and failure.code == "no_access":
        return ExitCode.FATAL
    return ExitCode.PARTIAL
