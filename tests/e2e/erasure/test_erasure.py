"""After an erasure, only the receipt has the number, and nothing has a document's id, key or hash."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import httpx2

from adapters.database import Database
from domain.completeness import Outcome
from domain.run_messages import DownloadRequest
from domain.storage import DOCUMENTS_PREFIX
from simulator.case import Shape
from tests.e2e.erasure.conftest import wait_until_erased
from tests.support.conditions import eventually
from tests.support.frozen_services import frozen_service
from tests.support.numbers import fresh_number, number_of_case, states_each_size
from tests.support.process_traces import (
    find_in_bucket,
    find_in_database,
    find_in_logs,
    find_in_temporal,
    mark_logs,
)
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack
from workflows.download_process import DownloadProcess
from workflows.options import DEFAULT_PRIORITY
from workflows.starts import download_process_options

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client


async def create_process_with_everything(
    stack: RunningStack, receiver: Receiver, s3: S3Client, number: str
) -> tuple[str, list[str]]:
    """Download a process with replaced contents, a failure, deliveries and a batch, and leave an upload behind.

    Returns:
        The id of the batch, and the ids, keys and hashes of all documents.
    """
    bucket = stack.addresses["bucket"]
    # The addresses of receivers are the client's, and stay.
    other, name = fresh_number(), uuid4().hex
    await stack.create_process(other, 1)
    await stack.create_process(number, 5, size_bytes=2_000)
    await stack.inject_fault("sealed", number, documents=[4])
    # One subscriber takes the event, the other never does, so that its delivery is pending.
    receiver.planned_failures[f"/{name}/never"] = [503] * 99
    # Both subscribe to one run: it does not end before the second has asked.
    with frozen_service(stack, "worker"):
        for path in ("taken", "never"):
            await stack.request_download(number, webhook_url=f"{receiver.url}/{name}/{path}")
    await stack.wait_until_ended(number)
    secrets = [document["sha256"] for document in await stack.list_documents(number) if document["sha256"]]
    # The court replaces the contents, and the former ones are kept.
    await stack.create_process(number, 5, size_bytes=3_000)
    await stack.request_download(number, max_age=0)
    await stack.wait_until_ended(number)
    order = {"process_numbers": [number, other, "not a number"]}
    batch: str = (await stack.api.post("/batches", json=order)).raise_for_status().json()["id"]

    async def batch_ended() -> bool:
        return (await stack.api.get(f"/batches/{batch}")).json()["ended_at"] is not None

    await eventually(batch_ended, "the end of the batch")
    await receiver.wait_for_events(f"/{name}/taken")

    async def refused() -> bool:
        return any(event.path == f"/{name}/never" for event in receiver.rejected)

    await eventually(refused, "the event that its receiver refuses")
    documents = await stack.list_documents(number)
    secrets += [text for each in documents for text in (each["id"], each["sha256"]) if text]
    listed = await s3.list_objects_v2(Bucket=bucket, Prefix=f"{DOCUMENTS_PREFIX}{number}/")
    keys = [item["Key"] for item in listed["Contents"]]
    # A version that was overwritten, one that was deleted, and a leftover upload.
    await s3.put_object(Bucket=bucket, Key=keys[0], Body=b"a later version")
    await s3.delete_object(Bucket=bucket, Key=keys[1])
    await s3.create_multipart_upload(Bucket=bucket, Key=f"{DOCUMENTS_PREFIX}{number}/leftover.pdf")
    return batch, [*secrets, *keys]


async def test_after_an_erasure_only_the_receipt_has_the_number(
    erasure_stack: RunningStack, receiver: Receiver, s3: S3Client, database: Database
) -> None:
    stack, number = erasure_stack, number_of_case(Shape(documents=5), states_each_size)
    bucket = stack.addresses["bucket"]
    batch, secrets = await create_process_with_everything(stack, receiver, s3, number)
    # The search finds what is there.
    of_the_case = {f"{table}.process_number" for table in ("movements", "parties", "changes")}
    found = await find_in_database(database, [*secrets, number])
    assert {"documents.id", "runs.process_number", *of_the_case} <= found
    assert len(await find_in_bucket(s3, bucket, [number])) > 10
    assert number in await find_in_temporal(stack, secrets)

    answer = await stack.api.delete(f"/processes/{number}", params={"reason": "ordered by the judge"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/processes/{number}/erasure"
    receipt = await wait_until_erased(stack, number)
    logs = mark_logs(stack)

    counts = receipt["counts"]
    assert receipt["requested_by"] == {"client": "local", "key_id": None}
    assert receipt["reason"] == "ordered by the judge"
    assert (counts["documents"], counts["versions"], counts["deliveries"]) == (5, 4, 2)
    # Two contents of four documents, and the version that the test has added.
    assert counts["objects"] == 9
    assert counts["bytes"] >= 4 * 5_000
    assert counts["runs"] >= 2
    assert counts["accesses"] >= 1
    assert counts["workflows"] >= counts["runs"] + counts["deliveries"]
    assert await find_in_database(database, secrets) == set()
    assert await find_in_database(database, [number]) == {"erasures.process_number", "erasures.blocked_number"}
    assert await find_in_bucket(s3, bucket, [number]) == []
    assert await find_in_temporal(stack, secrets) == []
    # Numbers alone, and Temporal forgets them after its retention period: docs/erasure.md.
    assert set(await find_in_temporal(stack, [number])) <= {f"erase-{number}", f"batch-{batch}"}
    assert (await stack.api.delete(f"/processes/{number}")).json() == receipt
    item = (await stack.api.get(f"/batches/{batch}")).json()["items"][0]
    assert (item["position"], item["state"], item["process_number"], item["given"]) == (1, "erased", None, "")
    assert find_in_logs(stack, logs, secrets) == []


async def test_an_erased_process_is_refused_until_it_is_allowed_again(erasure_stack: RunningStack) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(2)
    document = (await stack.list_documents(number))[0]["id"]
    assert (await stack.api.delete(f"/processes/{number}")).status_code == 202
    refused_at_once = await stack.request_download(number)
    await wait_until_erased(stack, number)

    answers = [
        refused_at_once,
        await stack.request_download(number),
        await stack.api.post(f"/processes/{number}/downloads"),
        *[
            await stack.api.get(f"/processes/{number}{path}")
            for path in ("", "/status", "/documents", f"/documents/{document}", f"/documents/{document}/content")
        ],
        *[await stack.api.get(f"/processes/{number}{path}") for path in ("/events", "/hold")],
        *[await stack.post_action(number, action) for action in ("retry", "pause", "resume", "cancel")],
        await stack.api.put(f"/processes/{number}/hold", json={}),
    ]
    pages = [await stack.api.get(f"/ui/processes/{number}{path}") for path in ("", "/live", "/documents.zip")]
    assert {answer.status_code for answer in (*answers, *pages)} == {410}
    assert {answer.json()["code"] for answer in answers} == {"process_erased"}
    assert all("text/html" in page.headers["content-type"] for page in pages)
    for language, text in (("en", "This process was erased"), ("pt-BR", "Este processo foi apagado")):
        page = await stack.api.get(f"/ui/processes/{number}", headers={"Accept-Language": language})
        assert text in page.text
        assert '<p lang="en">' not in page.text
    assert await stack.list_run_ids(number) == []
    batch = (await stack.api.post("/batches", json={"process_numbers": [number]})).json()["id"]

    async def refused_item() -> bool:
        body = (await stack.api.get(f"/batches/{batch}")).json()
        return body["ended_at"] is not None and body["counts"]["erased"] == 1

    await eventually(refused_item, "the batch has ended")
    assert await stack.list_run_ids(number) == []

    allowed = (await stack.api.delete(f"/processes/{number}/erasure")).json()
    assert not allowed["blocking"]
    assert allowed["allowed_again_by"] == {"client": "local", "key_id": None}
    assert (await stack.api.get(f"/processes/{number}")).status_code == 404
    assert (await stack.request_download(number)).status_code == 202
    assert (await stack.wait_until_ended(number))["available_documents"] == 2
    assert (await stack.api.get(f"/processes/{number}/erasure")).json() == allowed


async def test_a_held_process_is_not_erased(erasure_stack: RunningStack, database: Database) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(2)
    placed = (await stack.api.put(f"/processes/{number}/hold", json={"reason": "evidence"})).json()
    assert placed["held"]
    assert placed["reason"] == "evidence"
    rows = await find_in_database(database, [number])

    refused = await stack.api.delete(f"/processes/{number}")

    assert (refused.status_code, refused.json()["code"]) == (409, "process_held")
    assert await find_in_database(database, [number]) == rows
    assert (await stack.api.get(f"/processes/{number}/erasure")).status_code == 404
    assert (await stack.get_status(number))["available_documents"] == 2
    assert not (await stack.api.delete(f"/processes/{number}/hold")).json()["held"]
    assert (await stack.api.delete(f"/processes/{number}")).status_code == 202


async def test_nothing_is_left_of_a_running_download(
    erasure_stack: RunningStack, s3: S3Client, database: Database
) -> None:
    stack, number = erasure_stack, fresh_number()
    await stack.create_process(number, 60)
    await stack.inject_fault("slow", number, documents=1.0, delay_seconds=0.3)
    await stack.request_download(number)
    await stack.wait_until_available(number, 3)

    await stack.api.delete(f"/processes/{number}")
    receipt = await wait_until_erased(stack, number)

    assert receipt["counts"]["objects"] >= 3
    assert await find_in_bucket(s3, stack.addresses["bucket"], [number]) == []
    assert {found.partition(".")[0] for found in await find_in_database(database, [number])} == {"erasures"}
    assert await stack.list_run_ids(number) == []


async def test_objects_without_rows_are_erased_as_well(erasure_stack: RunningStack, s3: S3Client) -> None:
    stack, number = erasure_stack, fresh_number()
    assert (await stack.api.delete(f"/processes/{number}")).status_code == 404
    key = f"{DOCUMENTS_PREFIX}{number}/left-behind.pdf"
    await s3.put_object(Bucket=stack.addresses["bucket"], Key=key, Body=b"left behind")
    await s3.delete_object(Bucket=stack.addresses["bucket"], Key=key)

    answer: httpx2.Response = await stack.api.delete(f"/processes/{number}")

    assert answer.status_code == 202
    assert (await wait_until_erased(stack, number))["counts"]["objects"] == 1
    assert await find_in_bucket(s3, stack.addresses["bucket"], [number]) == []


async def test_a_run_that_the_tombstone_refuses_ends_cancelled(erasure_stack: RunningStack) -> None:
    stack = erasure_stack
    number = await stack.create_ended_run(1)
    await stack.api.delete(f"/processes/{number}")
    await wait_until_erased(stack, number)
    request = DownloadRequest(number, "local")

    # As a request that has read the process before the tombstone.
    result = await stack.temporal.execute_workflow(
        DownloadProcess.run, request, **download_process_options(request, DEFAULT_PRIORITY)
    )

    assert (result.outcome, result.failure_code) == (Outcome.CANCELLED, None)
