"""What a client's key lets it do, and what it never shows it of others."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.access.conftest import OPERATORS_KEY, Clients, KeyedStack, KeyHolder
from tests.support.conditions import eventually
from tests.support.events import every_event
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, receiving

Json = dict[str, Any]


@dataclass(frozen=True)
class Work:
    """What a client has started: a process, a batch, and a delivery of each to its own subscriber."""

    number: str
    batch: str
    delivery: str
    receiver: Receiver


async def worked(keyed: KeyedStack, client: KeyHolder, receiver: Receiver) -> Work:
    """Have a client start a run and a batch, and wait until it was told of the run's end."""
    number, another = fresh_number(), fresh_number()
    for one in (number, another):
        await keyed.stack.prepare(one, 1, size_bytes=2_000)
    started = await client.http.post(f"/processes/{number}/downloads", json={"webhook_url": receiver.url})
    assert started.status_code == 202
    batch = (await client.http.post("/batches", json={"process_numbers": [another]})).json()

    async def delivered() -> Json | None:
        log = (await client.http.get("/webhooks/deliveries")).json()["deliveries"]
        return log[0] if log and log[0]["status"] == "delivered" else None

    delivery = await eventually(delivered, f"the event for {client.name}")
    await keyed.stack.ended(another)
    return Work(number, batch["id"], delivery["id"], receiver)


@pytest.fixture(scope="module")
async def work(keyed: KeyedStack, clients: Clients) -> AsyncIterator[dict[str, Work]]:
    """What the desk and the archive have started, each with a subscriber that takes its own signature alone."""
    with receiving(clients.desk.secret) as desk, receiving(clients.archive.secret) as archive:
        done = await asyncio.gather(worked(keyed, clients.desk, desk), worked(keyed, clients.archive, archive))
        yield dict(zip(("desk", "archive"), done, strict=True))


def refusal(answer: Any) -> tuple[int, str]:
    """A refusal's status and code."""
    return answer.status_code, answer.json()["code"]


async def test_each_client_is_told_under_its_own_signature(clients: Clients, work: dict[str, Work]) -> None:
    assert clients.desk.secret != clients.archive.secret
    for each in work.values():
        [received] = each.receiver.received
        assert received.event["data"]["process_number"] == each.number


async def test_what_a_client_starts_is_recorded_as_its_own(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    for client in (clients.desk, clients.archive):
        own = work[client.name]
        assert (await keyed.stack.status(own.number))["run"]["client"] == client.name
        assert (await client.http.get(f"/batches/{own.batch}")).json()["client"] == client.name
        run = await keyed.stack.temporal.get_workflow_handle(own.number).describe()
        attributes = {pair.key.name: pair.value for pair in run.typed_search_attributes}
        assert attributes["Client"] == client.name


async def test_without_admin_a_key_neither_sets_credentials_nor_reaches_what_is_anothers(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    desk, other = clients.desk.http, work["archive"]
    token = (await keyed.stack.simulator.post("/_simulator/token")).json()["token"]
    before = await keyed.stack.court_status()
    assert refusal(await desk.put("/court/credentials", json={"token": token})) == (403, "forbidden")
    assert await keyed.stack.court_status() == before

    others = {"client": "archive"}
    assert refusal(await desk.get("/webhooks/deliveries", params=others)) == (403, "forbidden")
    assert refusal(await desk.get("/webhooks/endpoints", params=others)) == (403, "forbidden")
    delivery = f"/webhooks/deliveries/{other.delivery}"
    assert refusal(await desk.get(delivery)) == (404, "delivery_unknown")
    assert refusal(await desk.post(f"{delivery}/redeliver")) == (404, "delivery_unknown")
    everything = {"failed_since": "2026-01-01T00:00:00Z"}
    assert (await desk.post("/webhooks/deliveries/redeliver", json=everything)).json()["redelivered"] == 0
    assert refusal(await desk.get(f"/batches/{other.batch}")) == (404, "batch_unknown")
    own = (await desk.get("/webhooks/deliveries")).json()["deliveries"]
    assert {one["client"] for one in own} == {"desk"}
    assert len(other.receiver.received) == 1
    # What is there is told from what is not by nothing.
    nothing = await desk.get(f"/webhooks/deliveries/evt_{'0' * 32}")
    there = await desk.get(delivery)
    assert {**nothing.json(), "request_id": ""} == {**there.json(), "request_id": ""}


async def test_an_administrator_sees_what_is_everybodys_and_brings_credentials(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    chief, other = clients.chief.http, work["desk"]
    listed = (await chief.get("/webhooks/deliveries", params={"client": "desk"})).json()["deliveries"]
    assert other.delivery in {one["id"] for one in listed}
    assert (await chief.get(f"/webhooks/deliveries/{other.delivery}")).status_code == 200
    assert (await chief.get(f"/batches/{other.batch}")).json()["client"] == "desk"
    token = (await keyed.stack.simulator.post("/_simulator/token")).json()["token"]
    assert (await chief.put("/court/credentials", json={"token": token})).status_code == 200
    # No scope includes another.
    assert refusal(await chief.post(f"/processes/{other.number}/downloads")) == (403, "forbidden")


async def test_no_answer_shows_anybody_a_secret(keyed: KeyedStack, clients: Clients, work: dict[str, Work]) -> None:
    known = work["desk"]
    [document] = await keyed.stack.documents(known.number)
    values = {"number": known.number, "document_id": document["id"], "batch_id": known.batch}
    values |= {"delivery_id": known.delivery, "code": "sealed"}
    paths = (await clients.desk.http.get("/openapi.json")).json()["paths"]
    addresses = [path.format(**values) for path, methods in paths.items() if "get" in methods]
    addresses += ["/", f"/ui/processes/{known.number}"]
    for client in (clients.desk, clients.chief):
        for address in addresses:
            assert (await client.http.get(address)).status_code < 400, address
    secrets = ("whsec_", OPERATORS_KEY, *(holder.key for holder in keyed.holders))
    said = [one for holder in keyed.holders for one in holder.told if "/openapi.json" not in one.partition(" ")[0]]
    assert len(said) > 2 * len(addresses)
    assert [secret for secret in secrets if any(secret in one for one in said)] == []


async def test_a_key_that_may_only_read_starts_nothing(keyed: KeyedStack, clients: Clients) -> None:
    number, reader = fresh_number(), clients.reader.http
    await keyed.stack.prepare(number, 1)
    for answer in (
        await reader.get(f"/processes/{number}", params={"auto_download": "true"}),
        await reader.get(f"/processes/{number}?auto_download=1&auto_download=false"),
        await reader.get(f"/processes/{number}?auto_download=false&auto_download=on"),
        await reader.post(f"/processes/{number}/downloads"),
        await reader.post(f"/processes/{number}/retry"),
        await reader.post("/batches", json={"process_numbers": [number]}),
        await reader.post("/webhooks/test", json={"url": "http://127.0.0.1:9/"}),
    ):
        assert refusal(answer) in ((403, "forbidden"), (404, "process_unknown")), answer.request.url
    async with clients.reader.signed_in() as browser:
        opened = await browser.post("/ui/processes", data={"number": number})
        assert opened.status_code == 403, "the form carries no token"
        assert (await browser.post(f"/ui/processes/{number}/download")).status_code == 403
        assert (await browser.get(f"/processes/{number}?auto_download=true")).status_code == 403
    assert await keyed.stack.runs(number) == []
    assert (await keyed.stack.api.get(f"/processes/{number}")).status_code == 404


async def test_a_revoked_key_is_dead_at_the_next_request_in_every_form(
    keyed: KeyedStack, work: dict[str, Work]
) -> None:
    number = work["desk"].number
    leaver = await keyed.key("leaver", "read")
    async with leaver.signed_in() as browser:
        for before in (leaver.http, browser):
            assert (await before.get(f"/processes/{number}")).status_code == 200
            assert [event.kind for event in await every_event(before, number)] == ["ended"]
        assert (await browser.get("/")).status_code == 200
        await keyed.autos("key", "revoke", leaver.key_id)
        for after in (leaver.http, browser):
            assert refusal(await after.get(f"/processes/{number}")) == (401, "unauthorized")
            assert refusal(await after.get(f"/processes/{number}/events")) == (401, "unauthorized")
        page = await browser.get("/")
        assert (page.status_code, page.headers["location"]) == (303, "/ui/sign-in?next=%2F")


async def test_a_limited_key_pays_more_for_starting_than_for_reading(
    keyed: KeyedStack, clients: Clients, work: dict[str, Work]
) -> None:
    hasty = (await keyed.key("hasty", "read", "download", requests_per_minute=15)).http
    address = f"/processes/{work['desk'].number}"

    def left(answer: Any) -> int:
        assert answer.headers["X-RateLimit-Limit"] == "15"
        assert 1 <= int(answer.headers["X-RateLimit-Reset"]) <= 60
        return int(answer.headers["X-RateLimit-Remaining"])

    # What was spent in the last minute fades while the test runs: one may have come back.
    assert left(await hasty.get(address)) == 14
    started = await hasty.post(f"{address}/downloads")
    assert (started.status_code, left(started)) in ((200, 4), (200, 5))
    for refused in (
        await hasty.post(f"{address}/downloads"),
        await hasty.get(address, params={"auto_download": "true"}),
    ):
        assert refusal(refused) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 120
        assert left(refused) in (4, 5)
    assert (await hasty.get(address)).status_code == 200
    # What is beyond its limit takes all of it, in one, so that the smallest key can ask for a batch as well.
    few = (await keyed.key("few", "read", "download", requests_per_minute=60)).http
    whole = await few.post("/batches", json={"process_numbers": ["none"] * 1000})
    assert refusal(whole) == (422, "no_valid_numbers")
    # Another client's requests are counted apart, and these have no limit.
    assert "X-RateLimit-Limit" not in (await clients.reader.http.get(address)).headers


async def test_log_lines_name_the_client_and_never_its_key(keyed: KeyedStack, work: dict[str, Work]) -> None:
    lines = [json.loads(line) for line in keyed.stack.stderr.read_text().splitlines() if line.startswith("{")]
    requests = [line for line in lines if "request_id" in line and "process" in line]
    assert {line.get("client") for line in requests} <= {holder.name for holder in keyed.holders} | {"operator"}
    for name in ("desk", "archive"):
        [start] = [line for line in requests if line["process"] == work[name].number and line["event"] == "started"]
        assert start["client"] == name
    assert keyed.secrets_written() == []
