"""`status`, `retry`, `pause`, `resume`, `cancel` and `failures`: runs, seen and controlled through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import open_client
from autos_client_cli.printing import local_time, print_json_lines, print_table, printable
from autos_client_cli.process_numbers import canonical_number

if TYPE_CHECKING:
    from autos_client import FailureEntry, Status

app = typer.Typer(pretty_exceptions_enable=False)

_Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The process number.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
_AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


@app.command()
def status(
    context: typer.Context,
    number: _Number,
    as_json: _AsJson = False,
    wait: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wait for the end of the run, at most this long.")
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


@app.command()
def retry(context: typer.Context, number: _Number, as_json: _AsJson = False) -> None:
    """Retry what failed: in the open run, or in a new one."""
    with open_client(context) as autos:
        _print_status(autos.retry(canonical_number(number)), as_json=as_json)


@app.command()
def pause(context: typer.Context, number: _Number, as_json: _AsJson = False) -> None:
    """Pause the open run: it starts no further document. Pausing again changes nothing."""
    with open_client(context) as autos:
        _print_status(autos.pause(canonical_number(number)), as_json=as_json)


@app.command()
def resume(context: typer.Context, number: _Number, as_json: _AsJson = False) -> None:
    """Resume a paused run."""
    with open_client(context) as autos:
        _print_status(autos.resume(canonical_number(number)), as_json=as_json)


@app.command()
def cancel(context: typer.Context, number: _Number, as_json: _AsJson = False) -> None:
    """Cancel the open run. What is stored stays."""
    with open_client(context) as autos:
        _print_status(autos.cancel(canonical_number(number)), as_json=as_json)


@app.command()
def failures(
    context: typer.Context,
    code: Annotated[str | None, typer.Option(help="Only failures with this code.")] = None,
    as_json: _AsLines = False,
) -> None:
    """List what failed, in all processes, the newest first."""
    with open_client(context) as autos:
        entries = autos.failures(code=code)
        if as_json:
            print_json_lines(entries)
            return
        rows = [_failure_row(entry) for entry in entries]
    if rows:
        print_table([("PROCESS", "COURT", "DOCUMENT", "CODE", "FAILED", "AGAIN?"), *rows])
    else:
        typer.echo("Nothing has failed.", err=True)


def _print_status(status: Status, *, as_json: bool) -> None:
    if as_json:
        print_json_lines([status])
        return
    phase = f" ({status.phase})" if status.phase else ""
    typer.echo(f"{status.process_number}, {printable(status.court)}: {status.status}{phase}")
    typer.echo(
        f"  {status.available_documents} of {status.total_documents} documents available "
        f"({status.progress_percentage} %, {status.available_bytes:,} bytes), "
        f"{status.pending_documents} pending, {status.failed_documents} failed"
    )
    for code, count in status.failures_by_code.items():
        typer.echo(f"  {count} failed with {code}")
    if status.failure:
        typer.echo(f"  the process itself: {status.failure.code}: {printable(status.failure.answer)}")
    if run := status.run:
        end = f"ended {local_time(run.ended_at)}, {run.outcome}" if run.ended_at else "open"
        typer.echo(f"  run {run.id}, started {local_time(run.started_at)}, {end}")
    if status.retried_documents is not None:
        typer.echo(f"  {status.retried_documents} documents are tried again")


def _failure_row(entry: FailureEntry) -> tuple[str, ...]:
    document = entry.document
    return (
        entry.process_number,
        entry.court,
        (document.name or document.id) if document else "(the process)",
        entry.failure.code,
        local_time(entry.failure.failed_at),
        "yes" if entry.failure.retryable else "no",
    )
