"""A run downloads only the documents that are missing."""

from __future__ import annotations

import asyncio
import sqlite3

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_after_a_terminated_run_only_the_missing_documents_are_downloaded(stack: RunningStack) -> None:
    number = fresh_number()
    # Many more than can be under way at once: whenever the run is terminated, some are left.
    await stack.create_process(number, 300, size_bytes=2_000)
    await stack.set_latency(0.4)
    await stack.request_download(number)
    await stack.wait_until_available(number, 10)
    await stack.temporal.get_workflow_handle(number).terminate("an operator's hand in the Temporal UI")
    await stack.set_latency(0)
    status = await stack.get_status(number)
    assert status["status"] == "pending"
    assert status["run"]["outcome"] is None

    async def no_new_requests() -> int | None:
        before = await stack.get_court_stats()
        await asyncio.sleep(2)
        after = await stack.get_court_stats()
        return before["requests"] if before["requests"] == after["requests"] else None

    await eventually(no_new_requests, "the end of the downloads under way")
    stored = (await stack.get_status(number))["available_documents"]
    await stack.reset_court_stats()

    answer = await stack.request_download(number)

    assert (answer.status_code, answer.json().get("decision")) == (202, "started"), answer.text
    assert answer.json()["available_documents"] == stored
    assert (await stack.wait_until_ended(number))["status"] == "completed"
    served = (await stack.get_court_stats())["documents_served"]
    assert len(served) == 300 - stored > 0
    assert set(served.values()) == {1}


async def test_documents_lost_from_the_catalog_are_downloaded_again(stack: RunningStack) -> None:
    number = await stack.create_ended_run(50)
    with sqlite3.connect(stack.data_dir / "autos.db") as catalog:
        catalog.execute("DELETE FROM documents WHERE process_number = ? AND position > 10", (number,))
    catalog.close()
    await stack.reset_court_stats()

    answer = await stack.request_download(number)

    assert answer.json()["decision"] == "started"
    assert answer.json()["available_documents"] == 10
    status = await stack.wait_until_ended(number)
    assert (status["status"], status["available_documents"]) == ("completed", 50)
    assert len((await stack.get_court_stats())["documents_served"]) == 40


async def test_new_documents_are_downloaded_when_the_listing_is_older_than_max_age(stack: RunningStack) -> None:
    number = await stack.create_ended_run(3)
    known = {document["id"] for document in await stack.list_documents(number)}
    await stack.create_process(number, 5)
    await stack.reset_court_stats()

    assert (await stack.request_download(number)).json()["decision"] == "complete"
    assert (await stack.get_court_stats())["requests"] == 0
    assert (await stack.request_download(number, max_age=0)).json()["decision"] == "started"

    assert (await stack.wait_until_ended(number))["total_documents"] == 5
    now = {document["id"] for document in await stack.list_documents(number)}
    assert known < now
    assert set((await stack.get_court_stats())["documents_served"]) == now - known
