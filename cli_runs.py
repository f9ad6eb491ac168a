"""What an operator asks and does through a running API: `autos status`, `retry`, `failures` and their like."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from cli_api import local_time, plain, print_table, speaking
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from pydantic import BaseModel

    from autos_client import Delivery, FailureEntry, Status

app = typer.Typer(pretty_exceptions_enable=False)
deliveries_app = typer.Typer(
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    help="Webhook deliveries: list them, the newest first, or send one once more.",
)
app.add_typer(deliveries_app, name="deliveries")

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

    canonical = _canonical(number)
    with speaking() as autos:
        try:
            found = autos.wait(canonical, timeout=wait) if wait else autos.status(canonical)
        except TookTooLong:
            found = autos.status(canonical)
    _print_status(found, as_json=as_json)


@app.command()
def retry(number: _Number, as_json: _AsJson = False) -> None:
    """Take up again what failed: in the run that is open, or in a new one."""
    with speaking() as autos:
        _print_status(autos.retry(_canonical(number)), as_json=as_json)


@app.command()
def pause(number: _Number, as_json: _AsJson = False) -> None:
    """Have the open run take no further document. Pausing again changes nothing."""
    with speaking() as autos:
        _print_status(autos.pause(_canonical(number)), as_json=as_json)


@app.command()
def resume(number: _Number, as_json: _AsJson = False) -> None:
    """Have a paused run go on."""
    with speaking() as autos:
        _print_status(autos.resume(_canonical(number)), as_json=as_json)


@app.command()
def cancel(number: _Number, as_json: _AsJson = False) -> None:
    """End the open run. What is stored stays."""
    with speaking() as autos:
        _print_status(autos.cancel(_canonical(number)), as_json=as_json)


@app.command()
def failures(
    code: Annotated[str | None, typer.Option(help="Only failures with this code.")] = None,
    as_json: _AsLines = False,
) -> None:
    """List what failed, everywhere, the newest first."""
    with speaking() as autos:
        found = autos.failures(code=code)
        if as_json:
            _print_lines(found)
            return
        rows = [_failure_row(each) for each in found]
    if rows:
        print_table([("PROCESS", "COURT", "DOCUMENT", "CODE", "FAILED", "AGAIN?"), *rows])
    else:
        typer.echo("Nothing has failed.", err=True)


@deliveries_app.callback()
def deliveries(
    context: typer.Context,
    delivery_status: Annotated[
        str | None, typer.Option("--status", help="Only pending, delivered or failed ones.")
    ] = None,
    process: Annotated[str | None, typer.Option(metavar="NUMBER", help="Only those of a process.")] = None,
    as_json: _AsLines = False,
) -> None:
    """List webhook deliveries, the newest first."""
    if context.invoked_subcommand is not None:
        return
    number = _canonical(process) if process else None
    with speaking() as autos:
        found = autos.deliveries(status=delivery_status, process_number=number)
        if as_json:
            _print_lines(found)
            return
        rows = [_delivery_row(each) for each in found]
    if rows:
        print_table([("ID", "EVENT", "PROCESS", "STATUS", "TRIES", "LAST ANSWER", "CREATED", "URL"), *rows])
    else:
        typer.echo("There are no such deliveries.", err=True)


@deliveries_app.command()
def redeliver(
    delivery_id: Annotated[str, typer.Argument(metavar="ID", help="The delivery's id.")],
    as_json: _AsJson = False,
) -> None:
    """Send an event once more, under its own id."""
    with speaking() as autos:
        sent = autos.redeliver(delivery_id)
    if as_json:
        _print_lines([sent])
    else:
        typer.echo(f"{plain(sent.event_type)} is sent to {plain(sent.url)} once more.")


def _canonical(number: str) -> str:
    return ProcessNumber.parse(number).canonical


def _print_lines(found: Iterable[BaseModel]) -> None:
    for each in found:
        typer.echo(json.dumps(each.model_dump(mode="json"), ensure_ascii=False))


def _print_status(found: Status, *, as_json: bool) -> None:
    if as_json:
        _print_lines([found])
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


def _delivery_row(each: Delivery) -> tuple[str, ...]:
    last = each.attempts[-1] if each.attempts else None
    return (
        each.id,
        each.event_type,
        each.process_number or "",
        each.status,
        str(len(each.attempts)),
        str(last.status_code or last.error or "") if last else "",
        local_time(each.created_at),
        each.url,
    )
