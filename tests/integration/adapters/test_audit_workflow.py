"""The scheduled audit: over a real Temporal, its parts go on where a worker has stopped."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.audit import AuditActivities, AuditRules
from activities.store_audit import StoreAuditor
from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.storage.bucket_listing import BucketListing
from domain.audit import FindingKind
from domain.audit_messages import AuditPart, AuditPartResult
from domain.documents import DocumentStatus
from domain.storage import StorageAddress, object_prefix
from tests.support.audits import AuditedPlace, audited_place
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from workflows.audit_store import AuditStore
from workflows.options import PROCESSES_QUEUE

pytestmark = pytest.mark.thorough

WEEKLY = AuditRules(timedelta(days=7), sample_bytes=2**30, repair=True)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal of these tests' own, so that no other worker takes their tasks."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal")
    ) as environment:
        yield environment


@pytest.fixture
async def place(tmp_path: Path, s3: StorageAddress) -> AsyncIterator[AuditedPlace]:
    """A catalog and a bucket that hold nothing else."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url))
    async with audited_place(catalog, s3, str(tmp_path)) as place:
        yield place
    await catalog.close()


class ScanLog(AuditActivities):
    """The activities, with a log of what was scanned. While `gate` is closed, the third part does not begin."""

    def __init__(self, place: AuditedPlace, auditor: StoreAuditor, rules: AuditRules) -> None:
        super().__init__(place.catalog.audits, auditor, rules)
        self.scanned: list[str] = []
        self.gate = asyncio.Event()

    @activity.defn(name="scan_part")
    async def scan_part(self, part: AuditPart) -> AuditPartResult:
        """Scan."""
        if len(self.scanned) == 2:
            await self.gate.wait()
        result = await super().scan_part(part)
        self.scanned.append(part.cursor.after_id)
        return result


@asynccontextmanager
async def running_worker(temporal: WorkflowEnvironment, activities: AuditActivities) -> AsyncIterator[None]:
    """Run a worker of the audit until the block ends."""
    async with Worker(
        temporal.client,
        task_queue=PROCESSES_QUEUE,
        workflows=[AuditStore],
        activities=[
            *(activities.plan_audit, activities.scan_part, activities.find_leftover_uploads),
            *(activities.repair_findings, activities.record_audit),
        ],
    ):
        yield


async def start_audit(temporal: WorkflowEnvironment) -> str:
    """Start an audit, and return its workflow id."""
    workflow_id = f"audit-store-{uuid4()}"
    await temporal.client.start_workflow(AuditStore.run, id=workflow_id, task_queue=PROCESSES_QUEUE)
    return workflow_id


async def wait_for_result(temporal: WorkflowEnvironment, workflow_id: str) -> int:
    """Return how many findings remain at the audit's end."""
    result: int = await temporal.client.get_workflow_handle(workflow_id).result()
    return result


async def test_an_audit_goes_on_where_a_worker_has_stopped(
    temporal: WorkflowEnvironment, place: AuditedPlace
) -> None:
    number, stored = await place.stock(4)
    await place.delete(stored[0].key)
    await place.flip(stored[3].key)
    orphan = f"{object_prefix(fresh_number(), str(uuid4()))}.pdf"
    await place.put(orphan, b"bytes")
    auditor = place.auditor(later=True, part_items=1)
    first, second = ScanLog(place, auditor, WEEKLY), AuditActivities(place.catalog.audits, auditor, WEEKLY)

    workflow_id = await start_audit(temporal)
    async with running_worker(temporal, first):
        await eventually(lambda: _is_at_the_gate(first), "two parts")
    assert await place.catalog.audits.last() is None
    async with running_worker(temporal, second):
        assert await wait_for_result(temporal, workflow_id) == 0

    last = await place.catalog.audits.last()
    assert last is not None
    # Nothing was counted twice.
    assert (last.counts.contents, last.counts.objects, last.counts.objects_read) == (4, 4, 3)
    assert last.counts.found == {FindingKind.MISSING: 1, FindingKind.WRONG_HASH: 1, FindingKind.ORPHAN: 1}
    assert last.remaining == {}
    counts = await place.catalog.processes.count_documents(number)
    assert (counts.pending, counts.available) == (2, 2)
    assert orphan not in await place.list_keys()


async def _is_at_the_gate(log: ScanLog) -> bool:
    return len(log.scanned) == 2


async def test_without_the_setting_an_audit_only_reports_and_the_next_is_due_after_a_week(
    temporal: WorkflowEnvironment, place: AuditedPlace
) -> None:
    number, [stored] = await place.stock(1)
    await place.store.check_write()
    await place.delete(stored.key)
    rules = replace(WEEKLY, repair=False)
    async with running_worker(temporal, AuditActivities(place.catalog.audits, place.auditor(), rules)):
        assert await wait_for_result(temporal, await start_audit(temporal)) == 1
        last = await place.catalog.audits.last()
        assert last is not None
        assert last.remaining == {FindingKind.MISSING: 1}
        assert await wait_for_result(temporal, await start_audit(temporal)) == 0
        assert await place.catalog.audits.last() == last
    document = await place.catalog.documents.get(number, stored.key.split("/")[2][:36])
    assert document is not None
    assert document.status is DocumentStatus.AVAILABLE


async def test_an_empty_bucket_is_reported_and_not_repaired(
    temporal: WorkflowEnvironment, place: AuditedPlace
) -> None:
    number, stored = await place.stock(2)
    for each in stored:
        await place.delete(each.key)
    async with running_worker(temporal, AuditActivities(place.catalog.audits, place.auditor(), WEEKLY)):
        assert await wait_for_result(temporal, await start_audit(temporal)) == 2
    assert (await place.catalog.processes.count_documents(number)).available == 2


async def test_audits_can_be_switched_off(temporal: WorkflowEnvironment, place: AuditedPlace) -> None:
    async with running_worker(
        temporal, AuditActivities(place.catalog.audits, place.auditor(), replace(WEEKLY, every=None))
    ):
        assert await wait_for_result(temporal, await start_audit(temporal)) == 0
    assert await place.catalog.audits.last() is None


async def test_a_store_that_does_not_answer_leaves_the_audit_open_and_records_nothing(
    temporal: WorkflowEnvironment, place: AuditedPlace
) -> None:
    number, _ = await place.stock(1)
    nowhere = replace(place.address, bucket="there-is-no-such-bucket")
    bucket = BucketListing(place.client, nowhere)
    tried = asyncio.Event()

    class Tries(AuditActivities):
        @activity.defn(name="scan_part")
        async def scan_part(self, part: AuditPart) -> AuditPartResult:
            """Scan."""
            try:
                return await super().scan_part(part)
            finally:
                tried.set()

    activities = Tries(place.catalog.audits, StoreAuditor(place.catalog.audits, bucket), WEEKLY)
    workflow_id = await start_audit(temporal)
    async with running_worker(temporal, activities):
        await asyncio.wait_for(tried.wait(), 60)
        await temporal.client.get_workflow_handle(workflow_id).terminate()
    assert await place.catalog.audits.last() is None
    assert (await place.catalog.processes.count_documents(number)).available == 1
