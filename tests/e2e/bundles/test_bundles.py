"""Bundles end to end: built once, answered from the catalog, told by an event, and gone when their time is over."""

from __future__ import annotations

import hashlib
import io
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pikepdf
import pytest

from adapters.temporal.schedules import SWEEP_BUNDLES
from tests.e2e.bundles.conftest import (
    Json,
    create_bundle,
    download,
    get_bundle,
    list_builds,
    request_bundle,
    scratch_folders,
    wait_until_built,
)
from tests.support.buckets import Bucket
from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.frozen_services import frozen_service
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver
from tests.support.stack import RunningStack
from tests.support.watching import read_events
from workflows.sweep_bundles import SweepBundles


async def sweep(stack: RunningStack) -> int:
    """Run one sweep of bundles, and return how much it deleted."""
    return await stack.temporal.execute_workflow(
        SweepBundles.run, id=f"{SWEEP_BUNDLES.id}-{fresh_number()}", task_queue="processes"
    )


def age_bundle(stack: RunningStack, bundle_id: str, days: int) -> None:
    """Let a bundle have been requested so many days ago."""
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
        changed = catalog.execute(
            "UPDATE bundles SET requested_at = datetime(requested_at, ?) WHERE id = ?", (f"-{days} days", bundle_id)
        )
        assert changed.rowcount == 1


async def test_the_same_request_again_is_answered_from_the_catalog(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(31)
    first = await request_bundle(stack, number)
    assert (first.status_code, first.json()["state"]) == (202, "building")
    assert first.headers["location"] == f"/processes/{number}/bundles/{first.json()['id']}"
    bundle = await wait_until_built(stack, first.json())
    content = await download(bundle)
    assert hashlib.sha256(content).hexdigest() == bundle["sha256"]
    with pikepdf.open(io.BytesIO(content)) as pdf:
        assert len(pdf.pages) == bundle["pages"] > 31

    again = [await request_bundle(stack, number, order="filed", instances=None) for _ in range(5)]

    assert {answer.status_code for answer in again} == {200}
    assert {answer.json()["id"] for answer in again} == {bundle["id"]}
    assert len(await list_builds(stack, bundle["id"])) == 1

    async def answered_within_20_ms() -> bool:
        # The machine may be busy with something else for a while.
        assert (await request_bundle(stack, number)).status_code == 200
        logged = [line for line in stack.stderr.read_text().splitlines() if "/bundles" in line and number in line]
        durations = [
            float(line.split('"duration_ms": ')[1].split(",")[0])
            for line in logged
            if '"status": 200' in line and '"method": "POST"' in line
        ]
        return min(durations, default=1e9) <= 20

    await eventually(answered_within_20_ms, "an answer within 20 ms")
    redirect = await stack.api.get(f"/processes/{number}/bundles/{bundle['id']}/content")
    assert redirect.status_code == 307
    async with httpx2.AsyncClient(timeout=60) as client:
        answer = await client.get(redirect.headers["location"])
    assert answer.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
    assert answer.content == content


async def test_a_new_document_makes_a_new_bundle_and_the_old_one_stays(bundle_stack: RunningStack) -> None:
    stack, number = bundle_stack, fresh_number()
    await stack.create_process(number, 3)
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    old = await create_bundle(stack, number)
    await stack.create_process(number, 4)
    await stack.request_download(number, max_age=0)
    await stack.wait_until_ended(number)

    new = await create_bundle(stack, number)

    assert new["id"] != old["id"]
    assert new["pages"] > old["pages"]
    assert (await get_bundle(stack, number, old["id"]))["state"] == "ready"


async def test_what_is_missing_is_named_with_its_reason(bundle_stack: RunningStack) -> None:
    stack, number = bundle_stack, fresh_number()
    await stack.create_process(number, 5)
    await stack.inject_fault("sealed", number, documents=[1])
    assert (await request_bundle(stack, number)).json()["code"] == "process_unknown"
    await stack.request_download(number)
    await stack.wait_until_ended(number)
    for bundle_format in ("pdf", "zip"):
        bundle = await create_bundle(stack, number, format=bundle_format)
        [omitted] = bundle["omitted"]
        assert (omitted["position"], omitted["reason"], bundle["total_documents"]) == (2, "failed", 4)
    await stack.end_all_faults()
    failed = (await stack.list_documents(number))[1]["id"]
    refused = await request_bundle(stack, number, document_ids=[failed])
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_bundle")
    unknown = await request_bundle(stack, number, document_ids=["no-such-document"])
    assert (unknown.status_code, unknown.json()["code"]) == (404, "document_unknown")


async def test_a_zip_has_the_documents_as_they_are_stored(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(6)
    bundle = await create_bundle(stack, number, format="zip")
    archive = ZipFile(io.BytesIO(await download(bundle)))
    assert archive.testzip() is None
    digests = {hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}
    assert {document["sha256"] for document in await stack.list_documents(number)} <= digests
    assert {"manifest.json", "SHA256SUMS"} <= set(archive.namelist())


def without_link(event: Json) -> Json:
    """Return the parts of an event that its webhook and the list of events share, without the signed link."""
    data = event["data"]
    bundle = {name: value for name, value in data["bundle"].items() if not name.startswith("download_url")}
    return {name: event[name] for name in ("type", "version", "timestamp")} | {"data": {**data, "bundle": bundle}}


async def list_bundle_events(stack: RunningStack, number: str) -> list[Json]:
    """Return the events of the client that tell of bundles of a process."""
    found, _ = await read_events(stack)
    return [
        event for event in found if event["type"] == "bundle.ready" and event["data"]["process_number"] == number
    ]


async def test_the_event_is_sent_once_with_a_link_and_listed_with_the_same_body(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(3)
    with running_receiver(stack.addresses["webhook_secret"]) as receiver:
        # The bundle is not ready before both have asked.
        with frozen_service(stack, "worker"):
            for _ in range(2):
                asked = await request_bundle(stack, number, webhook_url=f"{receiver.url}/ready")
                assert asked.status_code == 202
        [received] = await receiver.wait_for_events("/ready", seconds=60)
        ready = await request_bundle(stack, number, webhook_url=f"{receiver.url}/ready")
        assert ready.status_code == 200
        assert received.event["type"] == "bundle.ready"
        data = received.event["data"]
        assert data["bundle"]["id"] == ready.json()["id"]
        assert hashlib.sha256(await download(data["bundle"])).hexdigest() == data["bundle"]["sha256"]
        trail = (await stack.api.get("/accesses", params={"process": number, "how": "bundle"})).json()["accesses"]
        documents = [document["id"] for document in await stack.list_documents(number)]
        assert {tuple(sorted(access["document_ids"])) for access in trail} == {tuple(sorted(documents))}
        assert received.event_id in {access["event_id"] for access in trail}
        assert len(receiver.events_at("/ready")) == 1
        [listed] = await list_bundle_events(stack, number)
        assert (listed["id"], without_link(listed)) == (received.event_id, without_link(received.event))
        assert await download(listed["data"]["bundle"]) == await download(data["bundle"])
        again = (await stack.api.get("/accesses", params={"process": number, "how": "bundle"})).json()["accesses"]
        [new] = [access for access in again if access["event_id"] and access not in trail]
        assert (new["event_id"], new["purpose"]) == (listed["id"], None)


async def test_without_a_webhook_the_event_is_listed_until_it_is_no_longer_kept(bundle_stack: RunningStack) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(2)
    bundle = await create_bundle(stack, number, format="zip")
    [listed] = await list_bundle_events(stack, number)
    assert await download(listed["data"]["bundle"]) == await download(bundle)
    age_bundle(stack, bundle["id"], 8)
    await sweep(stack)
    [gone] = await list_bundle_events(stack, number)
    assert (gone["id"], gone["data"]) == (listed["id"], {**listed["data"], "bundle": None})


async def test_a_bundle_that_nobody_requests_goes_with_its_file(bundle_stack: RunningStack, bucket: Bucket) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(4)
    old, kept = await create_bundle(stack, number), await create_bundle(stack, number, format="zip")
    age_bundle(stack, old["id"], 8)
    age_bundle(stack, kept["id"], 6)
    (await stack.api.put(f"/processes/{number}/hold", json={})).raise_for_status()
    await sweep(stack)
    gone = await stack.api.get(f"/processes/{number}/bundles/{old['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "bundle_unknown")
    assert len(await bucket.list_keys_under(f"bundles/{number}/{kept['id']}.")) == 1
    assert await bucket.list_keys_under(f"bundles/{number}/{old['id']}.") == []
    # What it was made of is still there, so it can be made again.
    assert (await create_bundle(stack, number))["id"] == old["id"]
    for bundle in (old, kept):
        age_bundle(stack, bundle["id"], 8)
    await sweep(stack)
    assert await bucket.list_keys_under(f"bundles/{number}/") == []


async def test_a_bundle_without_its_file_is_built_again(bundle_stack: RunningStack, bucket: Bucket) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(3)
    bundle = await create_bundle(stack, number)
    [key] = await bucket.list_keys_under(f"bundles/{number}/{bundle['id']}.")
    await bucket.delete(key)
    audit = await run_autos(stack, "audit", number, "--json")
    assert "orphan" not in audit.stdout.replace('"orphan": 0', "")
    await sweep(stack)
    again = await request_bundle(stack, number)
    assert (again.status_code, again.json()["id"]) == (202, bundle["id"])
    assert (await wait_until_built(stack, again.json()))["state"] == "ready"
    assert len(await list_builds(stack, bundle["id"])) == 2


async def test_an_erasure_leaves_nothing_of_a_bundle_that_is_being_built(
    bundle_stack: RunningStack, bucket: Bucket
) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(12, size_bytes=60_000)
    ready = await create_bundle(stack, number, format="zip")

    async def is_working() -> bool:
        return bool(scratch_folders(stack))

    # The build has its folder, but reads no document before the erasure has begun.
    with frozen_service(stack, "s3"):
        building = (await request_bundle(stack, number)).json()
        await eventually(is_working, "a build")
        (await stack.api.delete(f"/processes/{number}")).raise_for_status()

    async def completed() -> bool:
        receipt = (await stack.api.get(f"/processes/{number}/erasure")).json()
        return bool(receipt.get("state") == "completed")

    await eventually(completed, "the erasure", seconds=90)

    async def rested() -> bool:
        return not scratch_folders(stack)

    await eventually(rested, "the end of the build", seconds=60)
    assert await bucket.list_keys_under(f"bundles/{number}/") == []
    assert await bucket.list_uploads_under(f"bundles/{number}/") == []
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        assert catalog.execute("SELECT count(*) FROM bundles WHERE process_number = ?", (number,)).fetchone() == (
            0,
        )
        orphans = "SELECT count(*) FROM bundle_documents WHERE bundle_id IN (?, ?)"
        assert catalog.execute(orphans, (ready["id"], building["id"])).fetchone() == (0,)
    for bundle in (ready, building):
        assert await list_builds(stack, bundle["id"]) == []
    refused = await request_bundle(stack, number)
    assert (refused.status_code, refused.json()["code"]) == (410, "process_erased")


async def test_the_command_saves_a_bundle_and_goes_on_where_it_was_interrupted(
    bundle_stack: RunningStack, tmp_path: Path
) -> None:
    stack = bundle_stack
    number = await stack.create_ended_run(4)
    output = tmp_path / "autos.pdf"
    saved = await run_autos(stack, "bundle", number, "-o", output)
    assert saved.exit_code == 0, saved.stderr
    bundle = (await request_bundle(stack, number)).json()
    content = output.read_bytes()
    assert hashlib.sha256(content).hexdigest() == bundle["sha256"]
    assert (await run_autos(stack, "verify", output)).exit_code == 0
    # A part that an interrupted command has left.
    output.unlink()
    part = output.with_name(f"autos.pdf.{bundle['id'][:16]}.part")
    part.write_bytes(content[:1000])
    started_at = time.monotonic()
    again = await run_autos(stack, "bundle", number, "-o", output, "--json")
    assert (again.exit_code, output.read_bytes() == content, part.exists()) == (0, True, False)
    assert again.json_lines[0]["id"] == bundle["id"]
    assert time.monotonic() - started_at < 60
    output.write_bytes(b"something else")
    assert (await run_autos(stack, "bundle", number, "-o", output)).exit_code == 7
    assert (await run_autos(stack, "bundle", number, "-o", output, "--overwrite")).exit_code == 0
    assert (await run_autos(stack, "bundle", number, "-o", tmp_path / "autos.txt")).exit_code == 2
    assert (await run_autos(stack, "bundle", fresh_number(), "-o", output)).exit_code == 3


@pytest.mark.parametrize(
    "body",
    [
        {"format": "docx"},
        {"format": "pdf", "filed_from": "yesterday"},
        {"format": "pdf", "types": []},
        {"format": "pdf", "colour": "red"},
        {},
    ],
)
async def test_a_request_that_cannot_be_used_starts_nothing(
    bundle_stack: RunningStack, body: dict[str, object]
) -> None:
    answer = await bundle_stack.api.post(f"/processes/{fresh_number()}/bundles", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
