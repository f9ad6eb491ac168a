"""A court in trouble: runs wait, nobody is blamed, and hardly anything is sent until it is well."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import pairwise
from typing import Any

import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def new_token(stack: RunningStack, **details: Any) -> dict[str, Any]:
    """A new token from the court; the ones before it end."""
    answer = await stack.simulator.post("/_simulator/token", json=details)
    granted: dict[str, Any] = answer.raise_for_status().json()
    return granted


async def bring(stack: RunningStack, **credentials: str) -> dict[str, Any]:
    """Hand credentials in."""
    answer = await stack.api.put("/court/credentials", json=credentials)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def attempts_burnt(stack: RunningStack, number: str) -> int:
    """How many attempts the catalog holds against the documents of a process."""
    catalog = sqlite3.connect(stack.data_dir / "autos.db")
    try:
        query = "SELECT sum(failed_attempts) FROM documents WHERE process_number = ?"
        return int(catalog.execute(query, (number,)).fetchone()[0])
    finally:
        catalog.close()


async def test_a_token_that_ends_half_way_stops_nobody_for_good(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 200, size_bytes=2_000)
    await stack.latency(0.1)
    await stack.request(number)
    await stack.reaches(number, 100)

    granted = await new_token(stack)

    status = await stack.waits(number)
    assert status["failed_documents"] == 0

    async def noticed() -> dict[str, Any] | None:
        told = await stack.court_status()
        return told if told["credentials"]["rejected"] else None

    told = await eventually(noticed, "the rejected token is told of")
    assert (told["status"], told["failure"]["code"]) == ("unavailable", "credentials_rejected")

    told = await bring(stack, token=granted["token"])

    assert told["credentials"]["source"] == "stored"
    assert granted["token"] not in str(told)
    status = await stack.ended(number, seconds=20)
    assert (status["status"], status["available_documents"]) == ("completed", 200)
    assert attempts_burnt(stack, number) == 0
    assert set((await stack.court())["documents_served"].values()) == {1}


async def test_a_token_is_tried_before_it_replaces_a_good_one(stack: RunningStack) -> None:
    good = (await new_token(stack))["token"]
    in_use = (await bring(stack, token=good))["credentials"]
    assert (in_use["source"], in_use["rejected"], in_use["candidate"]) == ("stored", False, None)

    header, claims, _ = good.split(".")
    refused = await stack.api.put("/court/credentials", json={"token": f'"Bearer {header}.{claims}.forged",'})

    assert (refused.status_code, refused.json()["code"]) == (422, "credentials_refused")
    assert "eyJ" not in refused.text
    told = (await stack.court_status())["credentials"]
    assert told == in_use | {"candidate": "refused"}
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.request(number)
    assert (await stack.ended(number))["status"] == "completed"

    # What wraps around a token is none of it; while the court does not answer, it waits.
    await stack.fault("unavailable")
    wrapped = "\n".join(good[at : at + 40] for at in range(0, len(good), 40))
    told = await bring(stack, token=f"Authorization: Bearer {wrapped}\r\n")
    assert told["credentials"]["candidate"] == "pending"
    (await stack.simulator.delete("/_simulator/faults")).raise_for_status()

    async def taken() -> bool:
        return (await stack.court_status())["credentials"]["candidate"] is None

    await eventually(taken, "the candidate is taken once the court answers", seconds=30)


async def test_a_refresh_token_keeps_the_token_alive_without_help(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 200, size_bytes=2_000)
    await stack.latency(0.8)
    granted = await new_token(stack, expires_in=9)
    told = await bring(stack, token=granted["token"], refresh_token=granted["refresh_token"])
    assert told["credentials"]["renewable"] is True
    phases = set()

    await stack.request(number)

    async def done() -> dict[str, Any] | None:
        status = await stack.status(number)
        phases.add(status["phase"])
        return status if status["status"] != "processing" else None

    status = await eventually(done, "the end", seconds=60)
    counted = await stack.court()
    assert (status["status"], status["available_documents"]) == ("completed", 200)
    assert "waiting_for_court" not in phases
    assert counted["tokens_refused"] == 0
    # Renewed once per life: after six of nine seconds.
    assert 1 <= counted["refreshes"] <= counted["arrivals"][-1][0] / 6 + 1
    await bring(stack, token=(await new_token(stack))["token"])


async def test_a_refused_token_is_renewed_before_anything_else_is_tried(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 5)
    granted = await new_token(stack)
    await bring(stack, token="no-token-of-the-courts", refresh_token=granted["refresh_token"])

    await stack.request(number)

    assert (await stack.ended(number, seconds=20))["status"] == "completed"
    assert (await stack.court())["refreshes"] == 1
    await bring(stack, token=(await new_token(stack))["token"])


@pytest.mark.long
async def test_a_firewall_gets_to_see_hardly_anybody(stack: RunningStack) -> None:
    numbers = [fresh_number() for _ in range(20)]
    for number in numbers:
        await stack.prepare(number, 12, size_bytes=2_000)
    # No run can be over before the firewall is up.
    await stack.latency(3)
    await asyncio.gather(*(stack.request(number) for number in numbers))

    async def all_have_begun() -> bool:
        return bool((await stack.court())["listings"] >= 10)

    await eventually(all_have_begun, "the first listings")

    fault = await stack.fault("firewall")
    await stack.latency(0)

    for number in numbers:
        await stack.waits(number)
    await stack.forget_requests()
    told = await stack.court_status()
    assert (told["status"], told["failure"]["code"]) == ("unavailable", "court_blocked")

    async def probed() -> bool:
        return bool((await stack.court_status())["probes"] >= 1)

    await eventually(probed, "a probe")
    assert (await stack.court())["requests"] <= 2
    await stack.end_fault(fault)
    await stack.recovered()
    ended = await asyncio.gather(*(stack.ended(number) for number in numbers))
    assert {(status["status"], status["available_documents"]) for status in ended} == {("completed", 12)}
    assert sum(attempts_burnt(stack, number) for number in numbers) == 0
    assert (await stack.court())["max_concurrent"] <= 17


async def test_the_courts_own_waiting_time_is_kept_to_the_second(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.fault("throttled", number, times=1, retry_after=2)

    await stack.request(number)

    assert (await stack.ended(number))["status"] == "completed"
    arrivals = [at for at, _ in (await stack.court())["arrivals"]]
    pause = max(later - earlier for earlier, later in pairwise(arrivals))
    assert 2.0 <= pause < 4.0


async def test_a_run_that_cannot_be_listed_waits_as_well(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    fault = await stack.fault("unavailable", number)
    await stack.request(number)
    await stack.waits(number)

    await stack.end_fault(fault)
    await stack.recovered()

    assert (await stack.ended(number))["status"] == "completed"


async def test_a_waiting_run_can_be_cancelled(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.fault("gateway_timeout", number)
    await stack.request(number)
    await stack.waits(number)

    await stack.temporal.get_workflow_handle(number).cancel()

    assert (await stack.ended(number))["run"]["outcome"] == "cancelled"


async def test_one_broken_document_is_not_the_courts_trouble(stack: RunningStack) -> None:
    number, other = fresh_number(), fresh_number()
    await stack.prepare(number, 4)
    await stack.prepare(other, 4)
    await stack.fault("unavailable", number, documents=[1], times=2)
    phases = set()

    await stack.request(number)
    await stack.request(other)

    async def done() -> dict[str, Any] | None:
        status = await stack.status(number)
        phases.add(status["phase"])
        return status if status["status"] != "processing" else None

    assert (await eventually(done, "the end"))["status"] == "completed"
    assert "waiting_for_court" not in phases
    assert (await stack.ended(other))["status"] == "completed"


async def test_a_watch_that_was_stopped_is_started_again_by_who_waits(stack: RunningStack) -> None:
    await stack.temporal.get_workflow_handle("court").terminate()
    number = fresh_number()
    await stack.prepare(number, 3)
    await stack.fault("throttled", number, times=1, retry_after=1)

    await stack.request(number)

    assert (await stack.ended(number))["status"] == "completed"


async def test_a_process_out_of_reach_costs_the_court_one_request(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 9)
    await stack.fault("no_access", number)

    await stack.request(number)

    status = await stack.ended(number)
    assert (status["status"], status["run"]["outcome"]) == ("failed", "failed")
    assert (status["failure"]["code"], status["run"]["failure_code"]) == ("no_access", "no_access")
    assert (await stack.court())["requests"] == 1


@pytest.mark.parametrize(
    ("shape", "total"),
    [
        ({"documents": 9, "second_instance_documents": 15}, 24),
        ({"documents": 173, "second_source": True, "size_bytes": 1_000}, 173),
    ],
    ids=["two degrees", "two sources"],
)
async def test_documents_of_every_instance_come_once(
    stack: RunningStack, shape: dict[str, Any], total: int
) -> None:
    number = fresh_number()
    await stack.prepare(number, **shape)
    await stack.request(number)

    status = await stack.ended(number)

    documents = await stack.documents(number)
    assert (status["status"], status["available_documents"], len(documents)) == ("completed", total, total)
    degrees = [document["instance"]["degree"] for document in documents]
    second = shape.get("second_instance_documents", 0)
    assert (degrees.count("G1"), degrees.count("G2")) == (total - second, second)
    sources = {len(document["sources"]) for document in documents}
    assert sources == {2 if shape.get("second_source") else 1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"token": "two words"}, "invalid_request"),
        ({"token": ""}, "invalid_request"),
        ({"token": 5}, "invalid_request"),
        ({"secret": "x"}, "invalid_request"),
        ({"token": "e30.eyJleHAiOjF9.x"}, "credentials_expired"),
    ],
)
async def test_credentials_that_are_none_are_refused_and_not_quoted(
    stack: RunningStack, body: dict[str, Any], code: str
) -> None:
    before = await stack.court_status()

    answer = await stack.api.put("/court/credentials", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert "two words" not in answer.text
    assert "eyJ" not in answer.text
    assert await stack.court_status() == before
