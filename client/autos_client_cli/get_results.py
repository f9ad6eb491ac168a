"""What `get` prints of a finished process, and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from autos_client_cli.errors import ExitCode
from autos_client_cli.printing import print_line
from autos_client_cli.texts import t
from autos_client_cli.words import count_text, number_text, status_words

if TYPE_CHECKING:
    from autos_client import DownloadReport
    from autos_client.reports import SavedFile

# Of several processes, the worst result decides what the command ends with.
_WORST_FIRST = (ExitCode.FATAL, ExitCode.USAGE, ExitCode.NOT_FOUND, ExitCode.PARTIAL, ExitCode.OK)


def worst_of(codes: Iterable[ExitCode]) -> ExitCode:
    """Return the exit code for several results."""
    found = set(codes)
    return next((code for code in _WORST_FIRST if code in found), ExitCode.OK)


def exit_code_for(report: DownloadReport) -> ExitCode:
    """Return the exit code for one process."""
    if report.complete:
        return ExitCode.OK
    failure = report.status.failure
    if failure and failure.code == "not_found":
        return ExitCode.NOT_FOUND
    if failure and failure.code == "no_access":
        return ExitCode.FATAL
    return ExitCode.PARTIAL


def summary_of(report: DownloadReport) -> str:
    """Return one line on a process."""
    number, status = report.process_number, report.status
    if report.empty:
        return t("{number}: the court lists no documents.", number=number)
    present = len(report.saved) + len(report.skipped)
    if status.failure and not present:
        return f"{number}: {status_words(status.status)}, {status.failure.code}."
    return t(
        "{number}: {status}, {present} of {total} documents in {folder} ({new} new).",
        number=number,
        status=status_words(status.status),
        present=number_text(present),
        total=number_text(status.total_documents),
        folder=report.folder,
        new=number_text(len(report.saved)),
    )


def print_failures(report: DownloadReport) -> None:
    """Print on standard error what is missing, and why."""
    number, failure = report.process_number, report.status.failure
    if failure:
        print_line(f"{number}: {failure.code}: {failure.answer}", err=True)
    for failed in report.failed:
        print_line(f"{number}: {failed.name or failed.id}: {failed.code}: {failed.detail}", err=True)
    if report.pending:
        still_open = report.status.status == "processing"
        pending = (
            count_text(
                report.pending, t("{count} document is still to come."), t("{count} documents are still to come.")
            )
            if still_open
            else count_text(
                report.pending,
                t("{count} document is missing, and no run is open. The same command starts one."),
                t("{count} documents are missing, and no run is open. The same command starts one."),
            )
        )
        print_line(f"{number}: {pending}", err=True)


def json_of(report: DownloadReport) -> dict[str, Any]:
    """Return a report as JSON. Its names and words are the same in every language."""
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
