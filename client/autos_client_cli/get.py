"""`get`: download processes into folders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autos_client_cli.access import open_async_client, translating_problems
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.printing import printable
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.text_input import decode_text, read_standard_input

if TYPE_CHECKING:
    from autos_client import AsyncAutos, DownloadReport, Progress
    from autos_client.reports import SavedFile

_STANDARD_INPUT = "-"
# Of several processes, the worst result decides what the command ends with.
_WORST_FIRST = (ExitCode.FATAL, ExitCode.NOT_FOUND, ExitCode.PARTIAL, ExitCode.OK)


def get(
    context: typer.Context,
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
        bool, typer.Option("--overwrite", help="Replace files that have a document's name but other content.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only what went wrong.")] = False,
) -> None:
    """Download processes, and save their documents as DIR/NUMBER/NNN - name.ext.

    Files are verified by SHA-256; files that are already there are not downloaded again. Ends with 0 if every
    document is there, 6 if some are not, 3 if the court does not know a process, 7 if it refuses one.
    """
    wanted = _read_numbers(numbers or [], numbers_from)

    async def get_all() -> set[ExitCode]:
        async with open_async_client(context) as autos:
            return {
                await _get_process(
                    autos,
                    number,
                    output / number,
                    as_json=as_json,
                    wait=not no_wait,
                    overwrite=overwrite,
                    quiet=quiet,
                )
                for number in wanted
            }

    with translating_problems():
        codes = asyncio.run(get_all())
    raise typer.Exit(next(code for code in _WORST_FIRST if code in codes))


def _read_numbers(given: list[str], source: str | None) -> list[str]:
    """Return the process numbers to download, each once.

    Args:
        given: The command's arguments; ``-`` is standard input.
        source: A file of further numbers; ``-`` is standard input.

    Raises:
        CommandError: One of them is not a process number, or there are none. Nothing was done.
    """
    texts = [text for text in given if text != _STANDARD_INPUT]
    if _STANDARD_INPUT in given or source == _STANDARD_INPUT:
        texts += _lines(read_standard_input())
    if source not in (None, _STANDARD_INPUT):
        try:
            texts += _lines(decode_text(Path(str(source)).read_bytes()))
        except OSError as error:
            raise CommandError(f"Cannot read {source}: {error.strerror}.", ExitCode.USAGE) from None
    numbers, complaints = [], []
    for text in texts:
        try:
            numbers.append(canonical_number(text))
        except CommandError as error:
            complaints.append(f"{printable(text.strip()[:64])!r}: {error}")
    if complaints:
        raise CommandError("Nothing was done. " + " ".join(complaints), ExitCode.USAGE)
    if not numbers:
        raise CommandError("Name at least one process number.", ExitCode.USAGE)
    return list(dict.fromkeys(numbers))


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


async def _get_process(
    autos: AsyncAutos, number: str, folder: Path, *, as_json: bool, wait: bool, overwrite: bool, quiet: bool
) -> ExitCode:
    with _progress_bars(number, quiet=quiet) as on_progress:
        try:
            report = await autos.download(
                number, to=folder, wait=wait, overwrite=overwrite, on_progress=on_progress
            )
        except OSError as error:
            raise CommandError(f"Cannot save in {folder}: {error.strerror or error}.", ExitCode.USAGE) from None
    if as_json:
        typer.echo(json.dumps(_json_of(report), ensure_ascii=False))
    elif not quiet:
        typer.echo(_summary_of(report))
    _print_failures(report)
    return _exit_code_for(report)


@contextmanager
def _progress_bars(number: str, *, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show progress bars during the block, if standard error is a terminal. Yields what updates them."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBars

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ProgressBars(*columns, console=console, transient=True) as bars:
        court_bar = bars.add_task(f"{number} court", total=None)
        files_bar = bars.add_task(f"{number} files", total=None)

        def update(progress: Progress) -> None:
            status = progress.status
            bars.update(
                court_bar,
                description=f"{number} {status.phase or status.status}",
                total=status.total_documents or None,
                completed=status.available_documents,
            )
            bars.update(files_bar, total=status.available_documents or None, completed=progress.files)

        yield update


def _summary_of(report: DownloadReport) -> str:
    number, status = report.process_number, report.status
    if report.empty:
        return f"{number}: the court lists no documents."
    present = len(report.saved) + len(report.skipped)
    if status.failure and not present:
        return f"{number}: {status.status}, {status.failure.code}."
    return (
        f"{number}: {status.status}, {present} of {status.total_documents} documents in {report.folder} "
        f"({len(report.saved)} new)."
    )


def _print_failures(report: DownloadReport) -> None:
    failure = report.status.failure
    if failure:
        typer.echo(f"{report.process_number}: {failure.code}: {printable(failure.answer)}", err=True)
    for failed in report.failed:
        name = printable(failed.name or failed.id)
        typer.echo(f"{report.process_number}: {name}: {failed.code}: {printable(failed.detail)}", err=True)
    if report.pending:
        typer.echo(f"{report.process_number}: {report.pending} documents are still to come.", err=True)


def _json_of(report: DownloadReport) -> dict[str, Any]:
    status = report.status

    def describe(files: tuple[SavedFile, ...]) -> list[dict[str, Any]]:
        return [
            {"id": file.id, "file": file.path.name, "size_bytes": file.size_bytes, "sha256": file.sha256}
            for file in files
        ]

    return {
        "process_number": report.process_number,
        "status": status.status,
        "failure": status.failure.model_dump(mode="json") if status.failure else None,
        "complete": report.complete,
        "folder": str(report.folder),
        "total_documents": status.total_documents,
        "pending_documents": report.pending,
        "saved": describe(report.saved),
        "skipped": describe(report.skipped),
        "failed": [
            {"id": failed.id, "name": failed.name, "code": failed.code, "detail": failed.detail}
            for failed in report.failed
        ],
    }


def _exit_code_for(report: DownloadReport) -> ExitCode:
    if report.complete:
        return ExitCode.OK
    failure = report.status.failure
    if failure and failure.code == "not_found":
        return ExitCode.NOT_FOUND
    if failure and failure.code == "no_access":
        return ExitCode.FATAL
    return ExitCode.PARTIAL
