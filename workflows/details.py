"""What people read of a run in the Temporal UI, as Markdown."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.completeness import Completeness, Phase
    from domain.errors import FailureCode
    from domain.messages import RunProgress


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
