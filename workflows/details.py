"""The current details of a run in the Temporal UI, as Markdown."""

from __future__ import annotations

from temporalio import workflow

from workflows.search_attributes import DOCUMENTS_FAILED, DOCUMENTS_TOTAL, PHASE

with workflow.unsafe.imports_passed_through():
    from domain.completeness import Completeness, Phase
    from domain.errors import FailureCode
    from domain.run_messages import RunProgress


def show_phase(phase: Phase, counts: Completeness) -> None:
    """Set the search attributes of a run. Call it only when the phase changes: each call adds a history event."""
    workflow.upsert_search_attributes(
        [
            PHASE.value_set(phase.value),
            DOCUMENTS_TOTAL.value_set(counts.total),
            DOCUMENTS_FAILED.value_set(counts.failed),
        ]
    )


def run_details(phase: Phase, reason: FailureCode | None, counts: Completeness, progress: RunProgress) -> str:
    """A run at this moment.

    Args:
        phase: what it is doing.
        reason: why, when it waits for the court.
        counts: the documents as they were counted before this pass.
        progress: what this run has done.
    """
    return "\n".join(
        [
            f"**{phase}**" + (f" because of `{reason}`" if reason else ""),
            "",
            "| | documents |",
            "|---|---|",
            f"| in the listing | {counts.total} |",
            f"| available before this pass | {counts.available} |",
            f"| downloaded by this run | {progress.downloaded} ({progress.downloaded_bytes:,} bytes) |",
            f"| failed in this run | {progress.failed} |",
        ]
    )
