"""The three levels: one run at a time, a complete process answers at once, links are signed when read."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import sys
from collections import Counter

import httpx
import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.ports import bound_socket
from tests.support.receiver import Receiver
from tests.support.stack import ROOT, RunningStack, clean_environment


async def test_fifty_simultaneous_requests_make_one_run_and_call_every_subscriber(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 40)
    # All fifty are here before the run can be over.
    await stack.latency(0.5)
    paths = [f"/{number}/subscriber-{index}" for index in range(50)]

    answers = await asyncio.gather(*(stack.request(number, webhook_url=f"{receiver.url}{path}") for path in paths))

    assert {answer.status_code for answer in answers} == {202}
    assert Counter(answer.json()["decision"] for answer in answers) == {"started": 1, "active": 49}
    assert {answer.json()["run"]["id"] for answer in answers} == set(await stack.runs(number))
    assert (await stack.ended(number))["status"] == "completed"
    served = (await stack.court())["documents_served"]
    assert len(served) == 40
    assert set(served.values()) == {1}
    assert len(await stack.runs(number)) == 1

    async def all_called() -> bool:
        return all(len(receiver.at(path)) == 1 for path in paths)

    await eventually(all_called, "every subscriber called once")
    events = [receiver.at(path)[0] for path in paths]
    assert {event.event["type"] for event in events} == {"process.completed"}
    assert len({event.event_id for event in events}) == 50


async def test_a_request_that_its_run_overtakes_joins_it_all_the_same(
    stack: RunningStack, receiver: Receiver
) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    paths = [f"/{number}/overtaken-{index}" for index in range(60)]

    answers = await asyncio.gather(*(stack.request(number, webhook_url=f"{receiver.url}{path}") for path in paths))

    # Who comes when all is over is answered, and not called.
    decisions = {path: answer.json()["decision"] for path, answer in zip(paths, answers, strict=True)}
    assert Counter(decisions.values())["started"] == 1
    assert set(decisions.values()) <= {"started", "active", "complete"}
    assert len({answer.json()["run"]["id"] for answer in answers}) == 1
    assert len(await stack.runs(number)) == 1

    async def all_called() -> bool:
        return all(len(receiver.at(path)) == (decision != "complete") for path, decision in decisions.items())

    await eventually(all_called, "every subscriber called once")


async def test_a_complete_process_is_answered_from_the_catalog(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 5)
    await stack.request(number)
    await stack.ended(number)
    requests = (await stack.court())["requests"]

    answer = await stack.request(number)

    assert answer.status_code == 200
    assert answer.json()["decision"] == "complete"
    assert answer.json()["status"] == "completed"
    assert len(await stack.runs(number)) == 1
    assert (await stack.court())["requests"] == requests
    said = [line for line in stack.stderr.read_text().splitlines() if number in line and "complete 5/5" in line]
    assert answer.headers["x-request-id"] in said[-1]


async def test_every_link_opens_and_gives_the_stated_bytes(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.request(number)
    await stack.ended(number)

    documents = await stack.documents(number)

    async with httpx.AsyncClient() as reader:
        for document in documents:
            answer = await reader.get(document["download_url"])
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).hexdigest() == document["sha256"]
            assert len(answer.content) == document["size_bytes"]
            assert answer.headers["content-type"] == document["media_type"]
            assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert len(documents) == (await stack.status(number))["total_documents"] > 0


async def test_a_link_ends_and_the_next_read_gives_a_live_one(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)
    with bound_socket() as free:
        port = free.getsockname()[1]
    # A second API over the same catalog, whose links live for two seconds.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "api"),
        env=clean_environment(
            AUTOS_DATA_DIR=str(stack.data_dir),
            AUTOS_API_PORT=str(port),
            AUTOS_LINK_TTL_SECONDS="2",
            TEMPORAL_ADDRESS=stack.addresses["temporal"],
        ),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient() as reader:

            async def link() -> str | None:
                try:
                    answer = await reader.get(f"http://127.0.0.1:{port}/processes/{number}")
                except httpx.TransportError:
                    return None
                found: str = answer.json()["documents"][0]["download_url"]
                return found

            first = await eventually(link, "the second API")
            assert (await reader.get(first)).status_code == 200

            async def dead() -> bool:
                return (await reader.get(first)).status_code == 403

            await eventually(dead, "the end of the link", seconds=4)
            second = await link()
            assert second is not None
            assert (await reader.get(second)).status_code == 200
    finally:
        process.terminate()
        await process.wait()


async def test_only_what_is_missing_is_downloaded_after_a_run_was_terminated(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 100)
    await stack.latency(0.4)
    await stack.request(number)
    await stack.reaches(number, 10)
    await stack.temporal.get_workflow_handle(number).terminate("an operator's hand in the Temporal UI")
    status = await stack.status(number)
    assert status["status"] == "pending"
    assert status["run"]["outcome"] is None

    async def quiet() -> int | None:
        before = await stack.court()
        await asyncio.sleep(1)
        after = await stack.court()
        return before["requests"] if before["requests"] == after["requests"] else None

    await eventually(quiet, "the end of the downloads that were on their way")
    stored = (await stack.status(number))["available_documents"]
    await stack.forget_requests()

    answer = await stack.request(number)

    assert (answer.status_code, answer.json().get("decision")) == (202, "started"), answer.text
    assert answer.json()["available_documents"] == stored
    assert (await stack.ended(number))["status"] == "completed"
    served = (await stack.court())["documents_served"]
    assert len(served) == 100 - stored > 0
    assert set(served.values()) == {1}


async def test_rows_lost_from_the_catalog_are_noticed_and_downloaded_again(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 50)
    await stack.request(number)
    await stack.ended(number)
    with sqlite3.connect(stack.data_dir / "autos.db") as catalog:
        catalog.execute("DELETE FROM documents WHERE process_number = ? AND position > 10", (number,))
    catalog.close()
    await stack.forget_requests()

    answer = await stack.request(number)

    assert answer.json()["decision"] == "started"
    assert answer.json()["available_documents"] == 10
    status = await stack.ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", 50)
    assert len((await stack.court())["documents_served"]) == 40


async def test_new_documents_are_found_when_the_listing_is_too_old(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.request(number)
    await stack.ended(number)
    known = {document["id"] for document in await stack.documents(number)}
    await stack.prepare(number, 5)
    await stack.forget_requests()

    assert (await stack.request(number)).json()["decision"] == "complete"
    assert (await stack.court())["requests"] == 0
    assert (await stack.request(number, max_age=0)).json()["decision"] == "started"

    assert (await stack.ended(number))["total_documents"] == 5
    now = {document["id"] for document in await stack.documents(number)}
    assert known < now
    assert set((await stack.court())["documents_served"]) == now - known


@pytest.mark.parametrize("written", [str.strip, lambda number: "".join(filter(str.isdigit, number))])
async def test_both_forms_of_a_number_name_the_same_process(stack: RunningStack, written: object) -> None:
    assert callable(written)
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)
    assert (await stack.request(f"%20{written(number)}%20")).json()["process_number"] == number
