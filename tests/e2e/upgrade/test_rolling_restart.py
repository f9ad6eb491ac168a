"""Two APIs and two workers are restarted in turn under load: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from adapters.storage import open_s3
from domain.storage import DOCUMENTS_PREFIX, WRITE_CHECK_KEY
from tests.support.batches import create_batch, create_processes, wait_until_batch_ended
from tests.support.deployments import Deployment, Service, running_deployment
from tests.support.open_runs import create_paused_run, resume_run
from tests.support.stack import RunningStack
from tests.support.traffic import Traffic, running_traffic

pytestmark = pytest.mark.timeout(400)

BATCH = 60
LATENCY_SECONDS = 0.2
COURT_CONCURRENCY = 8


async def test_nothing_is_lost_or_doubled_by_a_rolling_restart_under_load(tmp_path: Path) -> None:
    async with running_deployment(tmp_path, AUTOS_COURT_CONCURRENCY=str(COURT_CONCURRENCY)) as deployment:
        await deployment.migrate()
        apis = [deployment.add(name, "api") for name in ("first-api", "second-api")]
        workers = [deployment.add(name, "worker") for name in ("first-worker", "second-worker")]
        await asyncio.gather(*(service.start() for service in (*apis, *workers)))
        async with deployment.client_of(apis[0]) as client:
            numbers = await create_processes(client, BATCH)
            receiver = deployment.receiver
            batch = await create_batch(client, numbers, webhook_url=f"{receiver.url}/batch")
            paused = await create_paused_run(client)
            await client.set_latency(LATENCY_SECONDS)
            async with running_traffic(deployment, *apis, paused=paused) as traffic:
                await traffic.wait_for_progress(*apis)
                for worker in workers:
                    await worker.stop()
                    await traffic.wait_for_progress(*apis)
                    await worker.start()
                for api, other in (apis, apis[::-1]):
                    await restart_api(traffic, api, other)
                served = (await deployment.court.get_stats())["documents_served"]
                # Also not those that a stopping worker had under way.
                assert set(served.values()) == {1}
                await workers[0].kill()
                await traffic.wait_for_progress(*apis)
                await workers[0].start()
                await resume_run(client, paused)
            await wait_until_batch_ended(client, batch)

            assert traffic.failures == []
            assert paused in traffic.followed
            assert traffic.ended == set(traffic.requested)
            await check_processes(client, traffic.requested, numbers)
            await check_court_and_store(deployment, client, [*traffic.requested, *numbers, paused])
            await check_events(deployment, traffic.requested, numbers)


async def restart_api(traffic: Traffic, api: Service, other: Service) -> None:
    """Restart an API as an orchestrator does: it gets no more requests, and then SIGTERM."""
    await traffic.take_out(api)
    await api.stop()
    await traffic.wait_for_progress(other)
    await api.start()
    traffic.put_back(api)
    await traffic.wait_for_progress(api, other)


async def check_processes(client: RunningStack, requested: list[str], batch: list[str]) -> None:
    """Check that each has had one run, which has completed it."""
    for number in (*requested, *batch):
        status = await client.wait_until_ended(number, seconds=60)
        assert (status["status"], status["failed_documents"], status["pending_documents"]) == ("completed", 0, 0)
        assert len(await client.list_run_ids(number)) == 1


async def check_court_and_store(deployment: Deployment, client: RunningStack, numbers: list[str]) -> None:
    """Check that every document is in the bucket, and that the court was asked again for few of them."""
    documents: list[dict[str, Any]] = []
    for number in numbers:
        documents += await client.list_documents(number)
    served = Counter((await deployment.court.get_stats())["documents_served"])
    assert served.keys() == {document["id"] for document in documents}
    assert len(documents) >= len(numbers) * 2
    # Those that the killed worker had under way.
    assert sum(served.values()) - len(documents) <= COURT_CONCURRENCY
    keys = []
    async with open_s3(deployment.store) as s3:
        async for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=deployment.store.bucket, Prefix=DOCUMENTS_PREFIX
        ):
            keys += [listed["Key"] for listed in page.get("Contents", [])]
    assert len(set(keys) - {WRITE_CHECK_KEY}) == len(documents)


async def check_events(deployment: Deployment, requested: list[str], batch: list[str]) -> None:
    """Check that each subscription has had one event. The killed worker may have sent some twice, under one id."""
    receiver = deployment.receiver
    for number in requested:
        events = await receiver.wait_for_events(f"/{number}", seconds=60)
        assert len({event.event_id for event in events}) == 1
        assert events[0].event["type"] == "process.completed"
    events = await receiver.wait_for_events("/batch", len(batch), seconds=60)
    told = {event.event_id: event.event["data"]["process_number"] for event in events}
    assert sorted(told.values()) == sorted(batch)
