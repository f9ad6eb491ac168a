"""The current details of workflows in the Temporal UI, as Markdown: what an open one does, how a closed one ended.

Setting them adds nothing to a history, so these texts may change under open runs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeUpdate

from workflows.search_attributes import DOCUMENTS_FAILED, DOCUMENTS_TOTAL, OUTCOME, PHASE

with workflow.unsafe.imports_passed_through():
    from domain.completeness import Completeness, Outcome, Phase
    from domain.errors import FailureCode
    from domain.run_messages import ClosedRun, RunEnding, RunProgress
    from domain.text import counted, printable

# The court's own words are for reading, not the place to keep them.
_LONGEST_ANSWER = 300


def show_phase(phase: Phase, counts: Completeness, ending: RunEnding | None) -> None:
    """Set the search attributes of a run. Call it only when the phase changes: each call adds a history event.

    Args:
        phase: The new phase.
        counts: The documents as they were last counted.
        ending: How the run ends, once that is known.
    """
    attributes: list[SearchAttributeUpdate[Any]] = [
        PHASE.value_set(phase.value),
        DOCUMENTS_TOTAL.value_set(counts.total),
        DOCUMENTS_FAILED.value_set(counts.failed),
    ]
    if ending is not None:
        attributes.append(OUTCOME.value_set(ending.outcome.value))
    workflow.upsert_search_attributes(attributes)


def show_end(ending: RunEnding, counts: Completeness) -> None:
    """Set the search attributes of a run that ends now: it has an outcome, and no phase any more."""
    workflow.upsert_search_attributes(
        [
            PHASE.value_unset(),
            OUTCOME.value_set(ending.outcome.value),
            DOCUMENTS_TOTAL.value_set(counts.total),
            DOCUMENTS_FAILED.value_set(counts.failed),
        ]
    )


def run_details(phase: Phase, reason: FailureCode | None, counts: Completeness, progress: RunProgress) -> str:
    """Describe an open run at this moment.

    Args:
        phase: What it is doing.
        reason: Why, when it waits for the court.
        counts: The documents as they were counted before this pass.
        progress: What this run has done.
    """
    return _lines(
        f"**{phase}**" + (f" because of `{reason}`" if reason else ""),
        "",
        *_table(
            (counts.total, "in the listing"),
            (counts.available, "available before this pass"),
            _downloaded(progress),
            (progress.failed, "failed in this run"),
        ),
        *(("", f"**Next:** {_while_waiting_for_court(reason)}") if phase is Phase.WAITING_FOR_COURT else ()),
    )


def ended_run_details(number: str, ending: RunEnding, closed: ClosedRun, progress: RunProgress) -> str:
    """Describe a run that has ended: its outcome, the documents of the process, and what to do next.

    Args:
        number: The process.
        ending: How the run ended.
        closed: The documents of the process at the end.
        progress: What this run has done.
    """
    counts = closed.documents
    rows = [(counts.total, "in the listing"), (counts.available, "available"), _downloaded(progress)]
    if counts.no_content:
        rows.append((counts.no_content, "without content at the court"))
    if counts.pending:
        rows.append((counts.pending, "not downloaded"))
    rows += [(amount, f"failed with `{code}`") for code, amount in sorted(closed.failures.items())]
    return _lines(
        f"**Ended: {ending.outcome}.** {_sum_up(ending, counts)}",
        "",
        *_table(*rows),
        "",
        f"**Next:** {_next_step(number, ending, counts)}",
    )


def batch_details(queued: int, started: int, joined: int, answered: int) -> str:
    """Describe an open batch at this moment."""
    return _lines(
        f"**at work**, {counted(queued, 'process', 'processes')} to go", "", _decided(started, joined, answered)
    )


def ended_batch_details(batch_id: str, left: int, started: int, joined: int, answered: int) -> str:
    """Describe a batch that has ended.

    Args:
        batch_id: The batch.
        left: How many of its processes it has not started, because it was cancelled.
        started: Number of runs that it started.
        joined: Number of runs that were already open.
        answered: Number of processes that the catalog could answer.
    """
    if left:
        verb = "was" if left == 1 else "were"
        heading = f"**Ended: cancelled.** {counted(left, 'process', 'processes')} {verb} not started."
        following = "open runs go on. Send what is missing in a new batch."
    else:
        heading = "**Ended.** Every process was started, joined or answered."
        following = "how each process stands."
    return _lines(
        heading,
        "",
        _decided(started, joined, answered),
        "",
        f"**Next:** `GET /batches/{batch_id}` says {following}",
    )


def delivery_details(number: int, attempts: int, due_at: datetime | None) -> str:
    """Describe an open delivery at this moment.

    Args:
        number: The next attempt, or the one that is being made.
        attempts: The last attempt of the schedule.
        due_at: When it is due. None while it is being made.
    """
    when = f"is due at {utc(due_at)}" if due_at else "is being made"
    return f"**attempt {number} of {attempts}** {when}"


def ended_delivery_details(delivery_id: str, attempts: int, *, delivered: bool) -> str:
    """Describe a delivery that has ended by itself.

    Args:
        delivery_id: The event's id.
        attempts: The last attempt that was made.
        delivered: Whether the receiver took the event.
    """
    if delivered:
        return f"**Ended: delivered**, with attempt {attempts}.\n\n**Next:** nothing."
    return (
        f"**Ended: not delivered.** The last attempt was number {attempts}: the receiver wants no more, may not be "
        "called or is switched off, or the schedule is over.\n\n"
        f"**Next:** `GET /webhooks/deliveries/{delivery_id}` has its attempts. When the receiver works: "
        f"`autos deliveries redeliver {delivery_id}`"
    )


def cancelled_delivery_details(delivery_id: str) -> str:
    """Describe a delivery whose workflow was cancelled, or failed by itself."""
    return (
        f"**Ended: stopped before the event was delivered.**\n\n"
        "**Next:** nothing. While the event is due, the schedule `sweep-deliveries` starts a new workflow for it. "
        f"`GET /webhooks/deliveries/{delivery_id}` has its attempts."
    )


def ended_monitor_details() -> str:
    """Describe a court monitor that was cancelled, or failed by itself."""
    return (
        "**Ended: nobody monitors the court.**\n\n"
        "**Next:** nothing. The next worker that starts, the next token, or a waiting run whose probe is overdue "
        "starts it again."
    )


def erasure_details(rounds: int, found: int) -> str:
    """Describe an erasure.

    Args:
        rounds: How many rounds it has made.
        found: What the last round found and erased. Zero once nothing is left.
    """
    if not found:
        return f"**Ended: nothing is left**, after {counted(rounds, 'round')}.\n\n**Next:** nothing."
    return (
        f"**Erasing:** round {rounds} found {found:,} objects, rows and executions.\n\n"
        "**Next:** it looks again, until nothing is left."
    )


def utc(moment: datetime) -> str:
    """Return a time for people, who may read it much later: so none of these texts says "in 5 minutes"."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ended_sweep_details(result: str) -> str:
    """Describe a scheduled workflow that has ended: what it did. Nothing is left to do."""
    return f"**Ended.** {result}\n\n**Next:** nothing; a schedule starts the next one."


def _while_waiting_for_court(reason: FailureCode | None) -> str:
    if reason is FailureCode.CREDENTIALS_REJECTED:
        return "`autos court login` with a token that the court accepts. The run goes on by itself then."
    return "the run goes on by itself when the court answers. `autos court status` says when it is asked."


def _decided(started: int, joined: int, answered: int) -> str:
    return (
        f"{counted(started, 'run')} started · {counted(joined, 'open run')} joined · "
        f"{counted(answered, 'process', 'processes')} answered from the catalog"
    )


def _downloaded(progress: RunProgress) -> tuple[int, str]:
    return progress.downloaded, f"downloaded by this run ({counted(progress.downloaded_bytes, 'byte')})"


def _sum_up(ending: RunEnding, counts: Completeness) -> str:
    if ending.outcome is Outcome.FAILED:
        # In a code span, so that nothing in it is Markdown.
        answer = printable(ending.answer).replace("`", "'")[:_LONGEST_ANSWER]
        return f"The process failed with `{ending.failure_code}`" + (f": `{answer}`" if answer else ".")
    if counts.total == 0:
        return "The court lists no documents." if ending.outcome is Outcome.COMPLETED else "Nothing was listed."
    available = f"{counts.available:,} of {counted(counts.total, 'document')} {_is_or_are(counts.total)} available"
    return available + (f", {counts.failed:,} failed." if counts.failed else ".")


def _next_step(number: str, ending: RunEnding, counts: Completeness) -> str:
    retry = f"`autos retry {number}`"
    match ending.outcome:
        case Outcome.COMPLETED:
            return "nothing."
        case Outcome.CANCELLED:
            return "nothing is lost. The next request for this process downloads what is missing."
        case Outcome.FAILED if ending.failure_code is FailureCode.INTERNAL_ERROR:
            return f"look for this process in the workers' logs, then {retry}."
        case Outcome.FAILED if ending.failure_code is not None and not ending.failure_code.retryable:
            return f"asking again does not help until the cause is gone; then {retry}."
        case Outcome.FAILED:
            return f"{retry}."
    if counts.failed == 0:
        return "the next request for this process downloads the rest."
    if counts.failed_retryable == 0:
        return f"asking again does not help until the causes are gone; then {retry}."
    if counts.failed_for_good == 0:
        return f"{retry}."
    return f"{retry}. {counted(counts.failed_for_good, 'document')} failed for a permanent reason."


def _is_or_are(number: int) -> str:
    return "is" if number == 1 else "are"


def _table(*rows: tuple[int, str]) -> list[str]:
    return ["| documents | |", "|---|---|", *(f"| {number:,} | {which} |" for number, which in rows)]


def _lines(*lines: str) -> str:
    return "\n".join(lines)
