"""What an operator asks and does through a running API: `autos status`, `retry`, `failures` and their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from commands.api import canonical, local_time, plain, print_lines, print_table, speaking

if TYPE_CHECKING:
    from autos_client import FailureEntry, Status

app = typer.Typer(pretty_exceptions_enable=False)

_Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The process number.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
_AsLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]


@app.command()
def status(
    number: _Number,
    as_json: _AsJson = False,
    wait: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wait for the end of the run, so long at most.")
    ] = None,
) -> None:
    """Tell how a process goes."""
    from autos_client import TookTooLong

    number = canonical(number)
    with speaking() as autos:
        try:
            found = autos.wait(number, timeout=wait) if wait else autos.status(number)
        except TookTooLong:
            found = autos.status(number)
    _print_status(found, as_json=as_json)


@app.command()
def retry(number: _Number, as_json: _AsJson = False) -> None:
    """Take up again what failed: in the run that is open, or in a new one."""
    with speaking() as autos:
        _print_status(autos.retry(canonical(number)), as_json=as_json)


@app.command()
def pause(number: _Number, as_json: _AsJson = False) -> None:
    """Have the open run take no further document. Pausing again changes nothing."""
    with speaking() as autos:
        _print_status(autos.pause(canonical(number)), as_json=as_json)


@app.command()
def resume(number: _Number, as_json: _AsJson = False) -> None:
    """Have a paused run go on."""
    with speaking() as autos:
        _print_status(autos.resume(canonical(number)), as_json=as_json)


@app.command()
def cancel(number: _Number, as_json: _AsJson = False) -> None:
    """End the open run. What is stored stays."""
    with speaking() as autos:
        _print_status(autos.cancel(canonical(number)), as_json=as_json)


@app.command()
def failures(
    code: Annotated[str | None, typer.Option(help="Only failures with this code.")] = None,
    as_json: _AsLines = False,
) -> None:
    """List what failed, everywhere, the newest first."""
    with speaking() as autos:
        found = autos.failures(code=code)
        if as_json:
            print_lines(found)
            return
        rows = [_failure_row(each) for each in found]
    if rows:
        print_table([("PROCESS", "COURT", "DOCUMENT", "CODE", "FAILED", "AGAIN?"), *rows])
    else:
        typer.echo("Nothing has failed.", err=True)


def _print_status(found: Status, *, as_json: bool) -> None:
    if as_json:
        print_lines([found])
        return
    phase = f" ({found.phase})" if found.phase else ""
    typer.echo(f"{found.process_number}, {plain(found.court)}: {found.status}{phase}")
    typer.echo(
        f"  {found.available_documents} of {found.total_documents} documents available "
        f"({found.progress_percentage} %, {found.available_bytes:,} bytes), "
        f"{found.pending_documents} pending, {found.failed_documents} failed"
    )
    for code, count in found.failures_by_code.items():
        typer.echo(f"  {count} failed with {code}")
    if found.failure:
        typer.echo(f"  the process itself: {found.failure.code}: {plain(found.failure.answer)}")
    if run := found.run:
        end = f"ended {local_time(run.ended_at)}, {run.outcome}" if run.ended_at else "open"
        typer.echo(f"  run {run.id}, started {local_time(run.started_at)}, {end}")
    if found.retried_documents is not None:
        typer.echo(f"  {found.retried_documents} documents are tried again")


def _failure_row(each: FailureEntry) -> tuple[str, ...]:
    document = each.document
    return (
        each.process_number,
        each.court,
        (document.name or document.id) if document else "(the process)",
        each.failure.code,
        local_time(each.failure.failed_at),
        "yes" if each.failure.retryable else "no",
    )
