"""`status`, `retry`, `pause`, `resume`, `cancel` and `failures`: runs, seen and controlled through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.command_help import Command, examples
from autos_client_cli.options import AsJson, AsLines
from autos_client_cli.printing import local_time, print_json_lines, print_line, print_table
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.texts import t
from autos_client_cli.words import count_text, decimal_text, number_text, size_text, status_words

if TYPE_CHECKING:
    from autos_client import FailureEntry, Status

app = typer.Typer(pretty_exceptions_enable=False)

_Number = Annotated[str, typer.Argument(metavar=t("NUMBER"), help=t("The process number."))]


@app.command(
    cls=Command,
    rich_help_panel=t("Processes"),
    help=t("Show the status of a process."),
    epilog=examples("status 1011745-77.2025.8.11.0041 --wait 60"),
)
def status(
    context: typer.Context,
    number: _Number,
    as_json: AsJson = False,
    wait: Annotated[
        float | None,
        typer.Option(min=0, metavar=t("SECONDS"), help=t("Wait for the end of the run, at most this long.")),
    ] = None,
) -> None:
    """Show the status of a process."""
    from autos_client import TookTooLong

    number = canonical_number(number)
    with open_client(context) as autos:
        try:
            current = autos.wait(number, timeout=wait) if wait else autos.status(number)
        except TookTooLong:
            current = autos.status(number)
    _print_status(current, as_json=as_json)


@app.command(
    cls=Command,
    rich_help_panel=t("Runs"),
    help=t("Retry what failed: in the open run, or in a new one."),
    epilog=examples("retry 1011745-77.2025.8.11.0041"),
)
def retry(context: typer.Context, number: _Number, as_json: AsJson = False) -> None:
    """Retry what failed: in the open run, or in a new one."""
    with open_client(context) as autos:
        _print_status(autos.retry(canonical_number(number)), as_json=as_json)


@app.command(
    cls=Command,
    rich_help_panel=t("Runs"),
    help=t("Pause the open run: it starts no further document. Pausing again changes nothing."),
    epilog=examples("pause 1011745-77.2025.8.11.0041"),
)
def pause(context: typer.Context, number: _Number, as_json: AsJson = False) -> None:
    """Pause the open run: it starts no further document. Pausing again changes nothing."""
    with open_client(context) as autos:
        _print_status(autos.pause(canonical_number(number)), as_json=as_json)


@app.command(
    cls=Command,
    rich_help_panel=t("Runs"),
    help=t("Resume a paused run."),
    epilog=examples("resume 1011745-77.2025.8.11.0041"),
)
def resume(context: typer.Context, number: _Number, as_json: AsJson = False) -> None:
    """Resume a paused run."""
    with open_client(context) as autos:
        _print_status(autos.resume(canonical_number(number)), as_json=as_json)


@app.command(
    cls=Command,
    rich_help_panel=t("Runs"),
    help=t("Cancel the open run. What is stored stays."),
    epilog=examples("cancel 1011745-77.2025.8.11.0041"),
)
def cancel(context: typer.Context, number: _Number, as_json: AsJson = False) -> None:
    """Cancel the open run. What is stored stays."""
    with open_client(context) as autos:
        _print_status(autos.cancel(canonical_number(number)), as_json=as_json)


@app.command(
    cls=Command,
    rich_help_panel=t("Processes"),
    help=t("List what failed, in all processes, the newest first."),
    epilog=examples("failures --code sealed --json"),
)
def failures(
    context: typer.Context,
    code: Annotated[str | None, typer.Option(metavar=t("CODE"), help=t("Only failures with this code."))] = None,
    as_json: AsLines = False,
) -> None:
    """List what failed, in all processes, the newest first."""
    with open_client(context) as autos:
        entries = autos.failures(code=code)
        if as_json:
            print_json_lines(entries)
            return
        rows = [_failure_row(entry) for entry in entries]
    if rows:
        print_table([(t("PROCESS"), t("COURT"), t("DOCUMENT"), t("CODE"), t("FAILED"), t("AGAIN?")), *rows])
    else:
        print_line(t("Nothing has failed."), err=True)


def _print_status(status: Status, *, as_json: bool) -> None:
    if as_json:
        print_json_lines([status])
        return
    words = status_words(status.status)
    if status.phase:
        words += f" ({status_words(status.status, status.phase)})"
    print_line(f"{status.process_number}, {status.court}: {words}")
    print_line(
        "  "
        + t(
            "{available} of {total} documents available ({percentage} %, {size}), {pending} pending, "
            "{failed} failed",
            available=number_text(status.available_documents),
            total=number_text(status.total_documents),
            percentage=decimal_text(status.progress_percentage),
            size=size_text(status.available_bytes),
            pending=number_text(status.pending_documents),
            failed=number_text(status.failed_documents),
        )
    )
    for code, count in status.failures_by_code.items():
        print_line("  " + t("{count} failed with {code}", count=number_text(count), code=code))
    if status.failure:
        text = t("the process itself: {code}: {answer}", code=status.failure.code, answer=status.failure.answer)
        print_line("  " + text)
    if run := status.run:
        started = local_time(run.started_at)
        if run.ended_at:
            text = t(
                "run {id}, started {started}, ended {ended}, {outcome}",
                id=run.id,
                started=started,
                ended=local_time(run.ended_at),
                outcome=status_words(run.outcome or ""),
            )
        else:
            text = t("run {id}, started {started}, open", id=run.id, started=started)
        print_line("  " + text)
    for warning in status.warnings:
        print_line(f"  {warning.detail} ({warning.code})")
    if status.retried_documents is not None:
        one, many = t("{count} document is tried again"), t("{count} documents are tried again")
        print_line("  " + count_text(status.retried_documents, one, many))


def _failure_row(entry: FailureEntry) -> tuple[str, ...]:
    document = entry.document
    return (
        entry.process_number,
        entry.court,
        (document.name or document.id) if document else t("(the process)"),
        entry.failure.code,
        local_time(entry.failure.failed_at),
        t("yes") if entry.failure.retryable else t("no"),
    )
