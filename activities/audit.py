"""The activities of a scheduled audit of the catalog against the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from activities.heartbeats import heartbeating
from domain.audit import sample_share
from domain.audit_messages import (
    AuditPart,
    AuditPartResult,
    AuditPlan,
    AuditRecord,
    RepairRequest,
    RepairResult,
    RepairState,
)

if TYPE_CHECKING:
    from activities.store_audit import StoreAuditor
    from adapters.database.audits import AuditRepository

# Their ids must fit into one message.
_MAX_UPLOADS = 500
# The schedule's days have some seconds more or less.
_TOLERANCE = timedelta(hours=1)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AuditRules:
    """What the operator has set.

    Attributes:
        every: Time between two audits. None means that there are none.
        sample_bytes: How much of the objects one audit reads.
        repair: Whether findings are repaired.
    """

    every: timedelta | None
    sample_bytes: int
    repair: bool


class AuditActivities:
    """The activities of `AuditStore`. Each is idempotent."""

    def __init__(self, audits: AuditRepository, auditor: StoreAuditor, rules: AuditRules) -> None:
        self._audits = audits
        self._auditor = auditor
        self._rules = rules

    @activity.defn
    async def plan_audit(self) -> AuditPlan:
        """Return whether an audit is due, and what it does."""
        now = datetime.now(UTC)
        rules = self._rules
        if rules.every is None:
            return AuditPlan(due=False, started_at=now)
        with translating_infrastructure_errors():
            last = await self._audits.last()
            if last is not None and now - last.started_at < rules.every - _TOLERANCE:
                return AuditPlan(due=False, started_at=now)
            share = sample_share(rules.sample_bytes, await self._audits.stored_bytes())
        return AuditPlan(True, now, share, rules.sample_bytes, rules.repair)

    @activity.defn
    async def scan_part(self, part: AuditPart) -> AuditPartResult:
        """Compare the next part of the catalog with the bucket."""
        with translating_infrastructure_errors():
            async with heartbeating():
                result = await self._auditor.scan(part)
        for finding in result.findings:
            _log.warning("audit finding", kind=finding.kind, key=finding.key, detail=finding.detail)
        return result

    @activity.defn
    async def find_leftover_uploads(self) -> AuditPartResult:
        """Find the uploads that nobody continues."""
        with translating_infrastructure_errors():
            async with heartbeating():
                return await self._auditor.find_uploads(findings_left=_MAX_UPLOADS)

    @activity.defn
    async def repair_findings(self, request: RepairRequest) -> RepairResult:
        """Repair findings, as far as each still is so."""
        with translating_infrastructure_errors():
            async with heartbeating():
                repairs = await self._auditor.repair(request.findings)
        for repair in repairs:
            if repair.state is RepairState.KEPT:
                _log.warning("finding not repaired", key=repair.finding.key, why=repair.note)
        return RepairResult(tuple(repairs))

    @activity.defn
    async def record_audit(self, record: AuditRecord) -> None:
        """Record how the audit has ended, for the metrics and for when the next one is due."""
        with translating_infrastructure_errors():
            await self._audits.record(record)
        found = {kind.value: amount for kind, amount in record.remaining.items() if amount}
        log = _log.error if found else _log.info
        counts = record.counts
        log(
            "audit ended",
            contents=counts.contents,
            objects=counts.objects,
            read=counts.objects_read,
            remaining=found,
        )
