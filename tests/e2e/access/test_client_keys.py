"""Keys of clients: what a key permits, and what it never shows of other clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.access.conftest import OPERATORS_KEY, Clients, KeyedStack, KeyHolder
from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, running_receiver
from tests.support.sse import read_all_events

Json = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a client has started: the run of a process, a batch, and a delivery to its own receiver."""

    number: str
    batch: str
    delivery: str
    receiver: Receiver


async def do_work(keyed: KeyedStack, client: KeyHolder, receiver: Receiver) -> Work:
    """Start a run and a batch as a client, and wait until its receiver has the run's event."""
    number, batch_number = fresh_number(), fresh_number()
    for each in (number, batch_number):
        await keyed.stack.create_process(each, 1, size_bytes=2_000)
    started = await client.http.post(f"/processes/{number}/downloads", json={"webhook_url": receiver.url})
    assert started.status_code == 202
    batch = (await client.http.post("/batches", json={"process_numbers": [batch_number]})).json()

    async def delivered() -> Json | None:
        log = (await client.http.get("/webhooks/deliveries")).json()["deliveries"]
        return log[0] if log and log[0]["status"] == "delivered" else None

    delivery = await eventually(delivered, f"the event for {client.name}")
    await keyed.stack.wait_until_ended(batch_number)
    return Work(number, batch["id"], delivery["id"], receiver)


@pytest.fixture(scope="module")
async def work(keyed: KeyedStack, clients: Clients) -> AsyncIterator[dict[str, Work]]:
    """What desk and archive have started. Each receiver accepts only signatures with its client's secret."""
    with running_receiver(clients.desk.secret) as desk, running_receiver(clients.archive.secret) as archive:
        done = await asyncio.gather(do_work(keyed, clients.desk, desk), do_work(keyed, clients.archive, archive))
        yield dict(zip(("desk", "archive"), done, strict=True))


def status_and_code(answer: Any) -> tuple[int, str]:
    """Return the status and the problem code of a refusal."""
    return answer.status_code, answer.json()["code"]


async def test_each_client_gets_events_signed_with_its_own_secret(clients: Clients, work: dict[str, Work]) -> None:
    assert clients.desk.secret != clients.archive.secret
    for each in work.values():
        [received] = each.receiver.received
        assert received.event["data"]["process_number"] == each.number


async def test_runs_and_batches_record_their_client(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    for client in (clients.desk, clients.archive):
        own = work[client.name]
        assert (await keyed.stack.get_status(own.number))["run"]["client"] == client.name
        assert (await client.http.get(f"/batches/{own.batch}")).json()["client"] == client.name
        run = await keyed.stack.temporal.get_workflow_handle(own.number).describe()
        attributes = {pair.key.name: pair.value for pair in run.typed_search_attributes}
        assert attributes["Client"] == client.name


async def test_a_key_without_admin_cannot_set_credentials_or_read_what_other_clients_started(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    desk, other = clients.desk.http, work["archive"]
    token = (await keyed.stack.create_court_token())["token"]
    before = await keyed.stack.get_court_status()
    assert status_and_code(await desk.put("/court/credentials", json={"token": token})) == (403, "forbidden")
    assert await keyed.stack.get_court_status() == before

    others = {"client": "archive"}
    assert status_and_code(await desk.get("/webhooks/deliveries", params=others)) == (403, "forbidden")
    assert status_and_code(await desk.get("/webhooks/endpoints", params=others)) == (403, "forbidden")
    delivery = f"/webhooks/deliveries/{other.delivery}"
    assert status_and_code(await desk.get(delivery)) == (404, "delivery_unknown")
    assert status_and_code(await desk.post(f"{delivery}/redeliver")) == (404, "delivery_unknown")
    everything = {"failed_since": "2026-01-01T00:00:00Z"}
    assert (await desk.post("/webhooks/deliveries/redeliver", json=everything)).json()["redelivered"] == 0
    assert status_and_code(await desk.get(f"/batches/{other.batch}")) == (404, "batch_unknown")
    own = (await desk.get("/webhooks/deliveries")).json()["deliveries"]
    assert {each["client"] for each in own} == {"desk"}
    assert len(other.receiver.received) == 1
    # The answer for another client's delivery is the same as for one that does not exist.
    missing = await desk.get(f"/webhooks/deliveries/evt_{'0' * 32}")
    foreign = await desk.get(delivery)
    assert {**missing.json(), "request_id": ""} == {**foreign.json(), "request_id": ""}


async def test_an_administrator_reads_everything_and_sets_credentials(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    chief, other = clients.chief.http, work["desk"]
    listed = (await chief.get("/webhooks/deliveries", params={"client": "desk"})).json()["deliveries"]
    assert other.delivery in {each["id"] for each in listed}
    assert (await chief.get(f"/webhooks/deliveries/{other.delivery}")).status_code == 200
    assert (await chief.get(f"/batches/{other.batch}")).json()["client"] == "desk"
    token = (await keyed.stack.create_court_token())["token"]
    assert (await chief.put("/court/credentials", json={"token": token})).status_code == 200
    # No scope includes another.
    assert status_and_code(await chief.post(f"/processes/{other.number}/downloads")) == (403, "forbidden")


async def build_bundle(client: KeyHolder, number: str) -> str:
    """Have a ZIP of a process built. Returns its id."""

    async def is_ready() -> str | None:
        body = (await client.http.post(f"/processes/{number}/bundles", json={"format": "zip"})).json()
        return str(body["id"]) if body["state"] == "ready" else None

    return await eventually(is_ready, "the bundle is ready")


async def test_no_answer_contains_a_secret(keyed: KeyedStack, clients: Clients, work: dict[str, Work]) -> None:
    known = work["desk"]
    [document] = await keyed.stack.list_documents(known.number)
    values = {"number": known.number, "document_id": document["id"], "batch_id": known.batch}
    values |= {"delivery_id": known.delivery, "code": "sealed"}
    values |= {"bundle_id": await build_bundle(clients.desk, known.number)}
    assert (await clients.desk.http.put(f"/processes/{known.number}/watch", json={})).status_code < 400
    paths = (await clients.desk.http.get("/openapi.json")).json()["paths"]
    addresses = [path.format(**values) for path, methods in paths.items() if "get" in methods]
    addresses += ["/", f"/ui/processes/{known.number}"]
    for client in (clients.desk, clients.chief):
        for address in addresses:
            status = (await client.http.get(address)).status_code
            if address.endswith("/erasure"):
                # For administrators alone, and this process was never erased.
                assert status == (404 if client is clients.chief else 403), address
            elif address.endswith("/watch"):
                # The watch is the desk's alone.
                assert status == (404 if client is clients.chief else 200), address
            elif address == "/accesses" or address.endswith("/hold"):
                assert status == (200 if client is clients.chief else 403), address
            else:
                assert status < 400, address
    secrets = ("whsec_", OPERATORS_KEY, *(holder.key for holder in keyed.holders))
    answers = [
        answer
        for holder in keyed.holders
        for answer in holder.answers
        if "/openapi.json" not in answer.partition(" ")[0]
    ]
    assert len(answers) > 2 * len(addresses)
    assert [secret for secret in secrets if any(secret in answer for answer in answers)] == []


async def test_a_read_only_key_starts_nothing(keyed: KeyedStack, clients: Clients) -> None:
    number, reader = fresh_number(), clients.reader.http
    await keyed.stack.create_process(number, 1)
    for answer in (
        await reader.get(f"/processes/{number}", params={"auto_download": "true"}),
        await reader.get(f"/processes/{number}?auto_download=1&auto_download=false"),
        await reader.get(f"/processes/{number}?auto_download=false&auto_download=on"),
        await reader.post(f"/processes/{number}/downloads"),
        await reader.post(f"/processes/{number}/retry"),
        await reader.post("/batches", json={"process_numbers": [number]}),
        await reader.post("/webhooks/test", json={"url": "http://127.0.0.1:9/"}),
    ):
        assert status_and_code(answer) in ((403, "forbidden"), (404, "process_unknown")), answer.request.url
    async with clients.reader.open_session() as browser:
        opened = await browser.post("/ui/processes", data={"number": number})
        assert opened.status_code == 403, "the form carries no token"
        assert (await browser.post(f"/ui/processes/{number}/download")).status_code == 403
        assert (await browser.get(f"/processes/{number}?auto_download=true")).status_code == 403
    assert await keyed.stack.list_run_ids(number) == []
    assert (await keyed.stack.api.get(f"/processes/{number}")).status_code == 404


async def test_a_revoked_key_is_refused_at_the_next_request_as_key_and_as_session(
    keyed: KeyedStack, work: dict[str, Work]
) -> None:
    number = work["desk"].number
    leaver = await keyed.create_key("leaver", "read")
    async with leaver.open_session() as browser:
        for before in (leaver.http, browser):
            assert (await before.get(f"/processes/{number}")).status_code == 200
            assert [event.kind for event in await read_all_events(before, number)] == ["ended"]
        assert (await browser.get("/")).status_code == 200
        await keyed.run_autos("key", "revoke", leaver.key_id)
        for after in (leaver.http, browser):
            assert status_and_code(await after.get(f"/processes/{number}")) == (401, "unauthorized")
            assert status_and_code(await after.get(f"/processes/{number}/events")) == (401, "unauthorized")
        page = await browser.get("/")
        assert (page.status_code, page.headers["location"]) == (303, "/ui/sign-in?next=%2F")


async def test_starting_a_run_costs_more_of_the_rate_limit_than_reading(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    hasty = (await keyed.create_key("hasty", "read", "download", requests_per_minute=15)).http
    address = f"/processes/{work['desk'].number}"

    def remaining(answer: Any) -> int:
        assert answer.headers["X-RateLimit-Limit"] == "15"
        assert 1 <= int(answer.headers["X-RateLimit-Reset"]) <= 60
        return int(answer.headers["X-RateLimit-Remaining"])

    # The rate limiter refills while the test runs, so one request more may be left.
    assert remaining(await hasty.get(address)) == 14
    started = await hasty.post(f"{address}/downloads")
    assert (started.status_code, remaining(started)) in ((200, 4), (200, 5))
    for refused in (
        await hasty.post(f"{address}/downloads"),
        await hasty.get(address, params={"auto_download": "true"}),
    ):
        assert status_and_code(refused) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 120
        assert remaining(refused) in (4, 5)
    assert (await hasty.get(address)).status_code == 200
    # A request that costs more than the limit takes all of it, so that the smallest limit still allows a batch.
    few = (await keyed.create_key("few", "read", "download", requests_per_minute=60)).http
    whole = await few.post("/batches", json={"process_numbers": ["none"] * 1000})
    assert status_and_code(whole) == (422, "no_valid_numbers")
    # Each client has its own limit, and reader has none.
    assert "X-RateLimit-Limit" not in (await clients.reader.http.get(address)).headers


async def test_log_lines_have_the_client_and_never_its_key(keyed: KeyedStack, work: dict[str, Work]) -> None:
    lines = [json.loads(line) for line in keyed.stack.stderr.read_text().splitlines() if line.startswith("{")]
    # The worker's lines have the id of the request too, but not its client.
    requests = [line for line in lines if line.keys() >= {"request_id", "process", "client"}]
    assert {line.get("client") for line in requests} <= {holder.name for holder in keyed.holders} | {"operator"}
    for name in ("desk", "archive"):
        of_process = [line for line in requests if line["process"] == work[name].number]
        # "started 3 of 3" if the worker has listed the process by then.
        [start] = [line for line in of_process if line["event"].startswith("started")]
        assert start["client"] == name
    assert keyed.find_written_secrets() == []


@pytest.mark.parametrize("further", [0, 21])
async def test_get_with_a_key_that_may_only_read_saves_what_is_stored(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work], tmp_path: Path, further: int
) -> None:
    stored, unknown = work["desk"].number, [fresh_number() for _ in range(further)]
    result = await run_autos(
        keyed.stack, "get", stored, *unknown, "-o", tmp_path, "-q", AUTOS_API_KEY=clients.reader.key
    )
    first_line, *refused = result.stderr.splitlines()
    assert first_line == "This key may not start downloads. What the service has is saved."
    assert len([path for path in (tmp_path / stored).iterdir() if path.name.startswith("001")]) == 1
    assert (result.exit_code, len(refused)) == (3 if unknown else 0, further)
    assert all("process_unknown" in line for line in refused)
