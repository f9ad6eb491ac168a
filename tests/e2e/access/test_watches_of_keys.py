"""Watches and events of clients with keys: their own alone, and only what a key may read."""

from __future__ import annotations

from datetime import UTC, datetime

from adapters.database import Database
from tests.e2e.access.conftest import Clients, KeyedStack, read_events
from tests.support.frozen_services import frozen_service
from tests.support.numbers import fresh_number
from tests.support.receiver import running_receiver
from tests.support.watching import make_due, sweep, wait_until_checked


async def test_a_key_sees_its_own_watches_and_what_it_may_read(keyed: KeyedStack, clients: Clients) -> None:
    stack, number = keyed.stack, fresh_number()
    database = Database(f"sqlite+aiosqlite:///{stack.data_dir / 'autos.db'}")
    await stack.create_process(number, 1, size_bytes=2_000)
    with running_receiver(clients.desk.secret) as desk, running_receiver(clients.archive.secret) as archive:
        began = datetime.now(UTC)
        for holder, receiver in ((clients.desk, desk), (clients.archive, archive)):
            wish = {"webhook_url": f"{receiver.url}/watch", "notify": "always"}
            answer = await holder.http.put(f"/processes/{number}/watch", json=wish)
            assert (answer.status_code, answer.json()["client"]) == (200, holder.name)
            listed = (await holder.http.get("/watches")).json()["watches"]
            assert {one["client"] for one in listed} == {holder.name}
        await sweep(stack)
        await wait_until_checked(stack, [number], began)
        # Two new documents, one of which is sealed.
        await stack.create_process(number, 3, size_bytes=2_000, secret_documents=1)
        await wait_until_checked(stack, [number], await make_due(database, [number]))

        seen = {}
        for holder, receiver in ((clients.desk, desk), (clients.archive, archive)):
            told = await read_events(holder, number)
            received = await receiver.wait_for_events("/watch", len(told))
            assert {one.event_id: one.event for one in received} == told
            seen[holder.name] = [event for event in told.values() if event["type"] == "process.documents_added"]
    counts = {name: [event["data"]["added_documents"] for event in events] for name, events in seen.items()}
    assert counts["archive"] == [2]
    assert counts["desk"] == [1]
    [open_ids], [all_ids] = (
        [event["data"]["document_ids"] for event in seen[name]] for name in ("desk", "archive")
    )
    assert set(open_ids) < set(all_ids)
    # The watch of another client is none of its own.
    assert (await clients.desk.http.delete(f"/processes/{number}/watch")).status_code == 204
    assert (await clients.desk.http.get(f"/processes/{number}/watch")).json()["code"] == "watch_unknown"
    assert (await clients.archive.http.get(f"/processes/{number}/watch")).status_code == 200
    await clients.archive.http.delete(f"/processes/{number}/watch")
    await database.close()


async def test_watching_needs_the_scope_download_and_reading_needs_read(keyed: KeyedStack) -> None:
    reader = await keyed.create_key("watch-reader", "read")
    loader = await keyed.create_key("watch-loader", "download")
    path = f"/processes/{fresh_number()}/watch"
    for answer in (
        await reader.http.put(path),
        await reader.http.delete(path),
        await reader.http.post("/watches", json={"process_numbers": [fresh_number()]}),
        await loader.http.get(path),
        await loader.http.get("/watches"),
        await loader.http.get("/events"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await loader.http.put(path)).status_code == 200
    assert (await loader.http.delete(path)).status_code == 204


async def test_whoever_joins_a_run_without_a_webhook_has_its_end_among_the_events(
    keyed: KeyedStack, clients: Clients
) -> None:
    stack, number = keyed.stack, fresh_number()
    await stack.create_process(number, 2, size_bytes=2_000)
    query = {"auto_download": "true"}
    # The run does not end before all have asked.
    with frozen_service(stack, "worker"):
        started = await clients.desk.http.get(f"/processes/{number}", params=query)
        joined = await clients.archive.http.get(f"/processes/{number}", params=query)
        assert [started.json()["decision"], joined.json()["decision"]] == ["started", "active"]
        # Asking again is the same request.
        await clients.archive.http.get(f"/processes/{number}", params=query)
    await stack.wait_until_ended(number)
    for holder in (clients.desk, clients.archive):
        [told] = (await read_events(holder, number)).values()
        assert (told["type"], told["data"]["run"]["id"]) == ("process.completed", started.json()["run"]["id"])
    assert await read_events(clients.chief, number) == {}
