"""An audit goes on after its worker was killed."""

from __future__ import annotations

from sqlalchemy import func, select
from temporalio.api.enums.v1 import PendingActivityState

from adapters.database import Catalog, Database
from adapters.database.tables import documents
from adapters.temporal.schedules import AUDIT_STORE
from domain.documents import DocumentStatus
from tests.support.conditions import eventually
from tests.support.stack import RunningStack

DOCUMENTS = 6
# The audit reads these for seconds, at its own pace.
SIZE_BYTES = 40 * 1024**2


async def test_an_audit_goes_on_after_its_worker_was_killed(crash_stack: RunningStack) -> None:
    stack = crash_stack
    await stack.create_ended_run(DOCUMENTS, size_bytes=SIZE_BYTES)
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    catalog = Catalog(database)

    async def is_reading() -> bool:
        async for audit in stack.temporal.list_workflows("WorkflowType = 'AuditStore'"):
            description = await stack.temporal.get_workflow_handle(audit.id).describe()
            for pending in description.raw_description.pending_activities:
                if pending.activity_type.name == "scan_part":
                    return pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
        return False

    await stack.temporal.get_schedule_handle(AUDIT_STORE.id).trigger()
    await eventually(is_reading, "an audit that reads", seconds=60)

    stack.kill_service("worker")

    assert await catalog.audits.last() is None
    last = await eventually(catalog.audits.last, "the end of the audit", seconds=100)
    async with database.reading() as connection:
        rows = select(func.count()).where(documents.c.status == DocumentStatus.AVAILABLE).select_from(documents)
        stored = (await connection.execute(rows)).scalar_one()
    # Each once, whatever the first attempt had read.
    assert last.counts.contents == stored >= DOCUMENTS
    assert 0 < last.counts.objects_read <= stored
    assert not any(last.remaining.values())
    await database.close()
