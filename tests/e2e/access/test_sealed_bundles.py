"""A bundle is as secret as its strictest document, as that is at the moment of reading."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.e2e.access.conftest import Clients, KeyedStack, KeyHolder, read_events
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver

Json = dict[str, Any]

WAYS = ("", "/content", "/events")
ALL_SEALED = [(403, "sealed")] * len(WAYS)
ALL_OPEN = [(200, None), (307, None), (200, None)]


async def download_process(keyed: KeyedStack, holder: KeyHolder, number: str) -> None:
    """Have a process downloaded to the end, with a new listing."""
    answer = await holder.http.post(f"/processes/{number}/downloads", json={"max_age": 0})
    assert answer.status_code in (200, 202)
    await keyed.stack.wait_until_ended(number)


async def create_bundle(holder: KeyHolder, number: str, **body: Any) -> Json:
    """Have a bundle built for a client, and return it when it is ready."""
    requested = await holder.http.post(f"/processes/{number}/bundles", json={"format": "zip", **body})
    assert requested.status_code in (200, 202), requested.text
    address = f"/processes/{number}/bundles/{requested.json()['id']}"

    async def ready() -> Json | None:
        body: Json = (await holder.http.get(address)).json()
        assert body["state"] != "failed", body
        return body if body["state"] == "ready" else None

    return await eventually(ready, "the bundle", seconds=60)


async def read_all(holder: KeyHolder, number: str, bundle_id: str) -> list[tuple[int, str | None]]:
    """Return the status and the problem of every way to a bundle."""
    answers = [await holder.http.get(f"/processes/{number}/bundles/{bundle_id}{path}") for path in WAYS]
    return [
        (answer.status_code, answer.json().get("code") if answer.status_code >= 400 else None) for answer in answers
    ]


async def test_a_key_without_sealed_gets_the_bundle_of_what_it_may_read(
    keyed: KeyedStack, clients: Clients
) -> None:
    number = fresh_number()
    await keyed.stack.create_process(number, 5, secret_documents=2)
    await download_process(keyed, clients.archive, number)
    open_bundle, whole = await asyncio.gather(
        create_bundle(clients.desk, number), create_bundle(clients.archive, number)
    )
    assert open_bundle["id"] != whole["id"]
    assert (open_bundle["total_documents"], open_bundle["withheld_documents"]) == (3, 2)
    assert (whole["total_documents"], whole["withheld_documents"]) == (5, 0)
    assert [omitted["reason"] for omitted in open_bundle["omitted"]] == ["withheld", "withheld"]
    assert {(omitted["document_id"], omitted["name"]) for omitted in open_bundle["omitted"]} == {(None, None)}
    assert await read_all(clients.desk, number, whole["id"]) == ALL_SEALED
    assert await read_all(clients.archive, number, open_bundle["id"]) == ALL_OPEN
    # A filter says nothing about what is withheld.
    sealed = {each["id"] for each in await keyed.stack.list_documents(number)} - {
        each["id"]
        for each in (await clients.desk.http.get(f"/processes/{number}/documents")).json()["documents"]
        if not each["withheld"]
    }
    named = await clients.desk.http.post(
        f"/processes/{number}/bundles", json={"format": "zip", "document_ids": sorted(sealed)}
    )
    assert (named.status_code, named.json()["omitted"]) == (409, {"withheld": 2})


async def test_a_document_that_becomes_sealed_closes_the_bundles_that_have_it(
    keyed: KeyedStack, clients: Clients
) -> None:
    number = fresh_number()
    await keyed.stack.create_process(number, 4)
    await download_process(keyed, clients.archive, number)
    with running_receiver(clients.desk.secret) as receiver:
        receiver.planned_failures["/late"] = [503]
        receiver.held_failures.add("/late")
        bundle = await create_bundle(clients.desk, number, webhook_url=f"{receiver.url}/late")
        assert await read_all(clients.desk, number, bundle["id"]) == ALL_OPEN

        async def refused() -> bool:
            return bool(receiver.rejected)

        await eventually(refused, "the first attempt")
        await keyed.stack.create_process(number, 4, secret_documents=1)
        await download_process(keyed, clients.archive, number)
        # Five seconds after the answer to the first attempt comes the next.
        receiver.held_failures.clear()

        assert await read_all(clients.desk, number, bundle["id"]) == ALL_SEALED
        assert await read_all(clients.archive, number, bundle["id"]) == ALL_OPEN
        assert (await create_bundle(clients.desk, number))["id"] != bundle["id"]
        # The event's next attempt, after the document was sealed.
        [late] = await receiver.wait_for_events("/late", seconds=60)
        assert late.event["data"]["bundle"] is None
        told = await read_events(clients.desk, number)
        assert told[late.event_id] == late.event


async def test_an_unlisted_process_closes_its_bundles(keyed: KeyedStack, clients: Clients) -> None:
    number = fresh_number()
    await keyed.stack.create_process(number, 2)
    await download_process(keyed, clients.archive, number)
    bundle = await create_bundle(clients.desk, number)
    await keyed.stack.inject_fault("no_access", number)
    await download_process(keyed, clients.archive, number)
    assert await read_all(clients.desk, number, bundle["id"]) == ALL_SEALED
    assert await read_all(clients.archive, number, bundle["id"]) == ALL_OPEN
    closed = await clients.desk.http.post(f"/processes/{number}/bundles", json={"format": "zip"})
    assert (closed.status_code, closed.json()["code"]) == (409, "nothing_to_bundle")


async def test_scopes_decide_who_may_request_a_bundle(keyed: KeyedStack, clients: Clients) -> None:
    number = fresh_number()
    await keyed.stack.create_process(number, 1)
    await download_process(keyed, clients.desk, number)
    downloader = await keyed.create_key("porter", "download")
    refused = await downloader.http.post(f"/processes/{number}/bundles", json={"format": "zip"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await create_bundle(clients.reader, number))["state"] == "ready"
