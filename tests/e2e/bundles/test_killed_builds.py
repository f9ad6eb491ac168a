"""A build ends whole and once although its worker is killed at any step, and a cancelled one leaves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import io
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pikepdf
import pytest
from temporalio.client import ScheduleOverlapPolicy

from adapters.temporal.bundle_client import BundleClient
from adapters.temporal.schedules import SWEEP_DELIVERIES
from domain.bundle_messages import BundleRequest
from simulator.case import Shape
from tests.e2e.bundles.conftest import (
    create_bundle,
    download,
    list_builds,
    request_bundle,
    scratch_folders,
    wait_until_built,
    wait_until_tidied,
)
from tests.support.buckets import Bucket
from tests.support.frozen_services import frozen_service
from tests.support.numbers import number_of_case
from tests.support.receiver import running_receiver
from tests.support.stack import RunningStack

DOCUMENTS = 12
SIZE_BYTES = 60_000


def is_converting(folder: Path) -> bool:
    """Whether a document is being converted in a scratch folder."""
    return any(folder.glob("*.source"))


def is_fetching(folder: Path) -> bool:
    """Whether documents are being fetched into a scratch folder."""
    return len(list(folder.glob("[0-9]*"))) > 5


def is_merging(folder: Path) -> bool:
    """Whether the documents in a scratch folder are being merged."""
    return (folder / "work" / "order.pickle").exists()


def is_merged(folder: Path) -> bool:
    """Whether the file is there, and perhaps being uploaded."""
    return (folder / "bundle.pdf").exists()


async def wait_for_step(stack: RunningStack, is_reached: Callable[[Path], bool]) -> None:
    """Wait until a scratch folder of the stack has reached a step."""

    async with asyncio.timeout(60):
        # Nobody tells that a file is there, and some steps last for some milliseconds.
        while not any(map(is_reached, scratch_folders(stack))):  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def create_run(stack: RunningStack) -> str:
    """Download a process with documents of which some have to be converted. Returns its number."""
    number = number_of_case(
        Shape(documents=DOCUMENTS),
        lambda case: sum(document.media_type != "application/pdf" for document in case.documents) > 1,
    )
    await stack.create_process(number, DOCUMENTS, size_bytes=SIZE_BYTES)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    return number


@pytest.mark.parametrize("is_reached", [is_converting, is_fetching, is_merging, is_merged])
async def test_a_bundle_is_built_although_its_worker_is_killed(
    bundle_stack: RunningStack, bucket: Bucket, is_reached: Callable[[Path], bool]
) -> None:
    stack = bundle_stack
    number = await create_run(stack)
    requested = (await request_bundle(stack, number)).json()
    with ExitStack() as holding:
        if is_reached is is_merged:
            # The upload lasts for milliseconds.
            await wait_for_step(stack, is_merging)
            holding.enter_context(frozen_service(stack, "s3"))
        await wait_for_step(stack, is_reached)

        stack.kill_service("worker")

    bundle = await wait_until_built(stack, requested)
    assert bundle["state"] == "ready", bundle
    await wait_until_tidied(stack, bundle["id"])
    content = await download(bundle)
    assert (len(content), hashlib.sha256(content).hexdigest()) == (bundle["bytes"], bundle["sha256"])
    with pikepdf.open(io.BytesIO(content)) as pdf:
        assert len(pdf.pages) == bundle["pages"]
    assert bundle["omitted"] == []
    assert bundle["progress"]["documents"] == bundle["total_documents"] == DOCUMENTS
    assert len(await list_builds(stack, bundle["id"])) == 1
    assert await bucket.list_uploads_under(f"bundles/{number}/") == []
    keys = await bucket.list_keys_under(f"bundles/{number}/")
    [file] = [key for key in keys if "/converted/" not in key]
    assert file.startswith(f"bundles/{number}/{bundle['id']}.")
    # The next attempt has removed what the killed one had left on the disk.
    assert scratch_folders(stack) == []


@pytest.mark.parametrize("is_reached", [is_converting, is_fetching])
async def test_a_cancelled_build_leaves_nothing_and_can_be_requested_again(
    bundle_stack: RunningStack, bucket: Bucket, is_reached: Callable[[Path], bool]
) -> None:
    stack = bundle_stack
    number = await create_run(stack)
    requested = (await request_bundle(stack, number)).json()
    await wait_for_step(stack, is_reached)

    await stack.temporal.get_workflow_handle(f"bundle-{requested['id']}").cancel()

    bundle = await wait_until_built(stack, requested)
    await wait_until_tidied(stack, bundle["id"])
    # An activity hears of it some seconds later. On a fast machine, the build has ended by then.
    is_too_late = bundle["state"] == "ready"
    assert is_too_late or (bundle["state"], bundle["failure"]["code"]) == ("failed", "cancelled")
    assert scratch_folders(stack) == []
    assert await bucket.list_uploads_under(f"bundles/{number}/") == []
    assert len(await bucket.list_keys_under(f"bundles/{number}/{bundle['id']}.")) == is_too_late
    assert (await create_bundle(stack, number))["id"] == bundle["id"]


async def test_a_terminated_build_is_told_and_can_be_requested_again(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(DOCUMENTS, size_bytes=SIZE_BYTES)
    # The build has its folder, but reads no document before it is terminated.
    with frozen_service(stack, "s3"):
        requested = (await request_bundle(stack, number)).json()
        await wait_for_step(stack, Path.is_dir)
        await stack.temporal.get_workflow_handle(f"bundle-{requested['id']}").terminate()

    bundle = await wait_until_built(stack, requested)

    assert (bundle["state"], bundle["failure"]["code"]) == ("failed", "interrupted")
    assert (await create_bundle(stack, number))["id"] == bundle["id"]


async def test_the_sweep_sends_the_event_of_a_terminated_build(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    killed, left = [await stack.create_ended_run(2) for _ in range(2)]
    with running_receiver(stack.addresses["webhook_secret"]) as receiver:
        # Neither build gets to its end.
        with frozen_service(stack, "s3"):
            ids = {}
            for number in (killed, left):
                requested = await request_bundle(stack, number, webhook_url=f"{receiver.url}/{number}")
                ids[number] = requested.json()["id"]
            await stack.temporal.get_workflow_handle(f"bundle-{ids[killed]}").terminate()
            with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
                # The sweep looks only at bundles that were requested long enough ago.
                earlier = (
                    "UPDATE bundles SET requested_at = datetime(requested_at, '-1 hour') || '.000000' WHERE id = ?"
                )
                catalog.executemany(earlier, [(each,) for each in ids.values()])
            # A sweep that is under way now may have looked too early.
            schedule = stack.temporal.get_schedule_handle(SWEEP_DELIVERIES.id)
            await schedule.trigger(overlap=ScheduleOverlapPolicy.BUFFER_ONE)
            [failed] = await receiver.wait_for_events(f"/{killed}")
        [ready] = await receiver.wait_for_events(f"/{left}", seconds=60)
    assert (failed.event["type"], failed.event["data"]["bundle"]["failure"]["code"]) == (
        "bundle.failed",
        "interrupted",
    )
    assert ready.event["type"] == "bundle.ready"


async def test_a_hundred_requests_at_once_are_one_build(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(5)
    answers = await asyncio.gather(*(request_bundle(stack, number) for _ in range(100)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    [bundle_id] = {answer.json()["id"] for answer in answers}
    bundle = await wait_until_built(stack, answers[0].json())
    assert bundle["state"] == "ready"
    assert len(await list_builds(stack, bundle_id)) == 1


async def test_a_request_that_its_build_has_overtaken_starts_no_other(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(2)
    bundle = await create_bundle(stack, number)
    # It is ready a moment before its execution ends.
    await wait_until_tidied(stack, bundle["id"])

    # As a request does that has read that the bundle is not built, before it was.
    is_built_again = await BundleClient(stack.temporal).start(BundleRequest(bundle["id"], number), "someone")

    assert not is_built_again
    assert len(await list_builds(stack, bundle["id"])) == 1
