"""`batch`: request many processes at once, without saving their documents here."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from autos_client_cli.access import command_context, open_client
from autos_client_cli.command_help import examples
from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.options import DEFAULT_PATIENCE, PatienceTime, patience_seconds
from autos_client_cli.printing import print_json, print_line, print_table, rich_text
from autos_client_cli.service_warnings import ServiceWarnings
from autos_client_cli.text_input import read_lines
from autos_client_cli.texts import t
from autos_client_cli.words import decision_words, item_words, number_text

if TYPE_CHECKING:
    from autos_client import Autos, Batch

BATCH_HELP = t(
    "Have the service download many processes, and save nothing here.\n\n"
    "FILE has one number a line; # begins a comment, and - is standard input. More than 1,000 numbers are several "
    "batches. Ends with 6 if a line is not a process number or, with --wait, if a process is not complete."
)
BATCH_EXAMPLES = examples(
    "batch numbers.txt",
    "batch numbers.txt --wait --json",
    "batch - --webhook-url https://example.org/autos --priority 5 < numbers.txt",
)
_BATCH_SIZE = 1000
_FIRST_LOOK_SECONDS = 0.5
_MAX_SECONDS_BETWEEN_LOOKS = 5.0
# Everything but these is a line or a process that somebody should look at.
_FINE_STATES = frozenset({"queued", "processing", "completed"})


def batch(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar=t("FILE"), help=t("The numbers, one a line; - is standard input."))
    ],
    wait: Annotated[bool, typer.Option("--wait", help=t("Wait until every process has ended."))] = False,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="URL", help=t("Called for each process when its run ends."))
    ] = None,
    priority: Annotated[
        int | None,
        typer.Option(metavar="N", help=t("From 1, which is served first, to 5. Single requests have 3.")),
    ] = None,
    max_age: Annotated[
        int | None,
        typer.Option(
            min=0, metavar=t("SECONDS"), help=t("How old the court's listing may be; 0 asks the court again.")
        ),
    ] = None,
    patience: PatienceTime = DEFAULT_PATIENCE,
    as_json: Annotated[bool, typer.Option("--json", help=t("Print one JSON object for each line."))] = False,
) -> None:
    """Have the service download many processes."""
    seconds = patience_seconds(patience)
    lines = read_lines(file)
    if not lines:
        raise CommandError(t("Name at least one process number."), ExitCode.USAGE)
    batches: list[Batch] = []
    warnings = ServiceWarnings(partial(print_line, err=True))
    try:
        with open_client(context, seconds) as autos:
            for first in range(0, len(lines), _BATCH_SIZE):
                chunk = lines[first : first + _BATCH_SIZE]
                made = autos.batch(chunk, webhook_url=webhook_url, priority=priority, max_age=max_age)
                batches.append(made)
                print_line(t("Batch {id}: {count} lines.", id=made.id, count=number_text(len(chunk))), err=True)
                _note_warnings(warnings, made)
            if wait:
                _wait_until_ended(autos, batches, warnings)
    except (KeyboardInterrupt, CommandError) as error:
        program = command_context(context).program
        raise _with_what_goes_on(error, batches, program, lacks_worker=warnings.lacks_worker) from None
    _print_items(batches, as_json=as_json)
    states = {item.state for each in batches for item in each.items}
    if states - _FINE_STATES:
        raise typer.Exit(ExitCode.PARTIAL)


def _note_warnings(warnings: ServiceWarnings, batch: Batch) -> None:
    if batch.ended_at is None:
        warnings.note(batch.warnings, about=t("Batch {id}", id=batch.id))


def _wait_until_ended(autos: Autos, batches: list[Batch], warnings: ServiceWarnings) -> None:
    """Keep the batches up to date until each has ended."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    shown = console.status("") if console.is_terminal else nullcontext()
    pause = _FIRST_LOOK_SECONDS
    with shown as status:
        while any(each.ended_at is None for each in batches):
            if status is not None:
                status.update(rich_text(_counts_text(batches)))
            time.sleep(pause)
            pause = min(1.5 * pause, _MAX_SECONDS_BETWEEN_LOOKS)
            for index, each in enumerate(batches):
                if each.ended_at is None:
                    batches[index] = autos.batch_status(each.id)
                    _note_warnings(warnings, batches[index])


def _counts_text(batches: list[Batch]) -> str:
    counts: Counter[str] = Counter()
    for each in batches:
        counts.update(each.counts)
    return " · ".join(f"{number_text(count)} {item_words(state)}" for state, count in counts.items() if count)


def _with_what_goes_on(
    error: BaseException, batches: list[Batch], program: str, *, lacks_worker: bool
) -> CommandError:
    is_interrupted = isinstance(error, KeyboardInterrupt)
    lines = [t("Interrupted.") if is_interrupted else str(error)]
    if batches and lacks_worker:
        lines.append(
            t(
                "The service keeps what it has accepted, and works on it as soon as a worker is back. "
                "`{program} list` shows it, and `{program} get -i FILE` saves the documents.",
                program=program,
            )
        )
    elif batches:
        lines.append(
            t(
                "The service goes on with what it has accepted; nothing is lost. `{program} list` shows it, and "
                "`{program} get -i FILE` saves the documents.",
                program=program,
            )
        )
    code = error.exit_code if isinstance(error, CommandError) else ExitCode.INTERRUPTED
    return CommandError("\n".join(lines), code)


def _print_items(batches: list[Batch], *, as_json: bool) -> None:
    if as_json:
        for each in batches:
            for item in each.items:
                body = {"batch_id": each.id, **item.model_dump(mode="json")}
                print_json(body)
        return
    rows = [
        (
            item.process_number or item.given,
            item_words(item.state),
            decision_words(item.decision or ""),
            item.problem.detail if item.problem else "",
        )
        for each in batches
        for item in each.items
    ]
    print_table([(t("PROCESS"), t("STATUS"), t("DECISION"), t("PROBLEM")), *rows])
