"""Audit the catalog against the bucket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

from workflows.details import ended_sweep_details
from workflows.options import CATALOG, HEARTBEAT_TIMEOUT, PROCESSES_QUEUE, ActivityOptions

with workflow.unsafe.imports_passed_through():
    from activities.audit import AuditActivities
    from domain.audit import FindingKind, describe_bulk_damage
    from domain.audit_messages import (
        AuditCounts,
        AuditPart,
        AuditPlan,
        AuditProgress,
        AuditRecord,
        Finding,
        RepairRequest,
        RepairState,
    )
    from domain.text import counted

# Findings in detail. Those beyond are counted, and the next audit finds them again.
_MAX_FINDINGS = 500
_REPAIRS_AT_ONCE = 50

# Behind everything that somebody waits for. If the store or the database is down for a day, the audit ends with
# an error: it says nothing about what is missing.
_AUDITING: ActivityOptions = {
    "task_queue": PROCESSES_QUEUE,
    "start_to_close_timeout": timedelta(hours=2),
    "schedule_to_close_timeout": timedelta(days=1),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=10)),
    "priority": Priority(priority_key=5),
}


@workflow.defn
class AuditStore:
    """One audit of the whole bucket, if one is due. A schedule starts it every day."""

    @workflow.run
    async def run(self, progress: AuditProgress = AuditProgress()) -> int:  # noqa: B008 - frozen.
        """Audit, and repair if the settings say so. Returns how many findings remain."""
        plan = progress.plan
        if plan is None:
            plan = await workflow.execute_activity_method(
                AuditActivities.plan_audit, summary="whether an audit is due", **CATALOG
            )
            if not plan.due:
                workflow.set_current_details(ended_sweep_details("No audit is due. `autos audit` audits at once."))
                return 0
            progress = replace(progress, id=workflow.info().run_id, plan=plan)
        progress = await self._scan(progress, plan)
        uploads = await workflow.execute_activity_method(
            AuditActivities.find_leftover_uploads, summary="leftover uploads", **_AUDITING
        )
        counts = progress.counts.plus(uploads.counts)
        findings = (*progress.findings, *uploads.findings)
        remaining, note = await self._repair(plan, counts, findings)
        await workflow.execute_activity_method(
            AuditActivities.record_audit,
            AuditRecord(progress.id, plan.started_at, counts, remaining),
            summary="how it ended",
            **CATALOG,
        )
        amount = sum(remaining.values())
        workflow.set_current_details(ended_sweep_details(_describe(counts, remaining) + note))
        return amount

    async def _scan(self, progress: AuditProgress, plan: AuditPlan) -> AuditProgress:
        while progress.cursor is not None:
            counts = progress.counts
            part = await workflow.execute_activity_method(
                AuditActivities.scan_part,
                AuditPart(
                    cursor=progress.cursor,
                    seed=progress.id,
                    share=plan.share,
                    bytes_left=max(plan.budget_bytes - counts.bytes_read, 0),
                    findings_left=_MAX_FINDINGS - len(progress.findings),
                ),
                summary=f"after {counted(counts.contents, 'content')}",
                **_AUDITING,
            )
            progress = replace(
                progress,
                cursor=part.following,
                counts=counts.plus(part.counts),
                findings=(*progress.findings, *part.findings),
            )
            if progress.cursor is not None and workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(progress)
        return progress

    async def _repair(
        self, plan: AuditPlan, counts: AuditCounts, findings: tuple[Finding, ...]
    ) -> tuple[dict[FindingKind, int], str]:
        """Repair what may be repaired. Returns what remains by kind, and a note for the Temporal UI."""
        remaining = Counter(counts.found)
        if not plan.repair:
            return dict(remaining), ""
        refusal = describe_bulk_damage(counts.found, contents=counts.contents, objects=counts.objects, whole=True)
        if refusal is not None:
            return dict(remaining), f" Nothing was repaired. {refusal}"
        for start in range(0, len(findings), _REPAIRS_AT_ONCE):
            result = await workflow.execute_activity_method(
                AuditActivities.repair_findings,
                RepairRequest(findings[start : start + _REPAIRS_AT_ONCE]),
                summary="repair",
                **_AUDITING,
            )
            for repair in result.repairs:
                remaining[repair.finding.kind] -= repair.state is not RepairState.KEPT
        return dict(+remaining), ""


def _describe(counts: AuditCounts, remaining: Mapping[FindingKind, int]) -> str:
    compared = f"{counted(counts.contents, 'content')} and {counted(counts.objects, 'object')} compared"
    found = ", ".join(f"{kind.value}: {amount}" for kind, amount in sorted(remaining.items()) if amount)
    result = f"**Remaining:** {found}." if found else "All is well."
    return f"{compared}, {counts.objects_read:,} of them read. {result}"
