"""The court's tokens: rejected, tried, renewed and refused."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.run_reports import count_failed_attempts
from tests.support.stack import RunningStack


async def test_a_run_whose_token_ends_waits_and_continues_with_a_new_token(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 200, size_bytes=2_000)
    # Slow enough that the run does not end before its token.
    await stack.set_latency(1)
    await stack.request_download(number)
    await stack.wait_until_available(number, 20)

    issued = await stack.create_court_token()
    await stack.set_latency(0)

    status = await stack.wait_until_waiting_for_court(number)
    assert status["failed_documents"] == 0

    async def shows_rejection() -> dict[str, Any] | None:
        court = await stack.get_court_status()
        return court if court["credentials"]["rejected"] else None

    court = await eventually(shows_rejection, "the rejected token in the court's status")
    assert (court["status"], court["failure"]["code"]) == ("unavailable", "credentials_rejected")

    court = await stack.put_credentials(token=issued["token"])

    assert court["credentials"]["source"] == "stored"
    assert issued["token"] not in str(court)
    status = await stack.wait_until_ended(number, seconds=20)
    assert (status["status"], status["available_documents"]) == ("completed", 200)
    assert count_failed_attempts(stack, number) == 0
    assert set((await stack.get_court_stats())["documents_served"].values()) == {1}


async def test_a_new_token_is_tried_before_it_replaces_a_working_one(stack: RunningStack) -> None:
    good = (await stack.create_court_token())["token"]
    await stack.put_credentials(token=good)

    async def accepted() -> dict[str, Any] | None:
        credentials: dict[str, Any] = (await stack.get_court_status())["credentials"]
        return credentials if credentials["candidate"] is None else None

    # The answer waits five seconds for the verdict, which may come later on a busy machine.
    in_use = await eventually(accepted, "the token is accepted")
    assert (in_use["source"], in_use["rejected"], in_use["candidate"]) == ("stored", False, None)

    header, claims, _ = good.split(".")

    async def answered_with_verdict() -> httpx2.Response | None:
        forged = {"token": f'"Bearer {header}.{claims}.forged",'}
        answer = await stack.api.put("/court/credentials", json=forged)
        is_late = answer.status_code == 200 and answer.json()["credentials"]["candidate"] == "pending"
        return None if is_late else answer

    refused = await eventually(answered_with_verdict, "the verdict on a forged token", seconds=60)
    assert (refused.status_code, refused.json()["code"]) == (422, "credentials_refused")
    assert "eyJ" not in refused.text
    court = (await stack.get_court_status())["credentials"]
    assert court == in_use | {"candidate": "refused"}
    number = fresh_number()
    await stack.create_process(number, 3)
    await stack.request_download(number)
    assert (await stack.wait_until_ended(number))["status"] == "completed"

    # Line breaks and a header name around a token are removed. While the court is down, the token is pending.
    await stack.inject_fault("unavailable")
    wrapped = "\n".join(good[at : at + 40] for at in range(0, len(good), 40))
    court = await stack.put_credentials(token=f"Authorization: Bearer {wrapped}\r\n")
    assert court["credentials"]["candidate"] == "pending"
    await stack.end_all_faults()
    await eventually(accepted, "the candidate is accepted once the court answers", seconds=60)


async def test_a_refresh_token_renews_the_token_before_it_expires(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 200, size_bytes=2_000)
    await stack.set_latency(0.8)
    issued = await stack.create_court_token(expires_in=9)
    court = await stack.put_credentials(token=issued["token"], refresh_token=issued["refresh_token"])
    assert court["credentials"]["renewable"] is True
    phases = set()

    await stack.request_download(number)

    async def ended() -> dict[str, Any] | None:
        status = await stack.get_status(number)
        phases.add(status["phase"])
        return status if status["status"] != "processing" else None

    status = await eventually(ended, "the end", seconds=60)
    stats = await stack.get_court_stats()
    assert (status["status"], status["available_documents"]) == ("completed", 200)
    assert "waiting_for_court" not in phases
    assert stats["tokens_refused"] == 0
    # A token of nine seconds is renewed once, after six seconds.
    assert 1 <= stats["refreshes"] <= stats["arrivals"][-1][0] / 6 + 1
    await stack.renew_credentials()


async def test_a_rejected_token_is_renewed_at_once(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.create_process(number, 5)
    issued = await stack.create_court_token()
    await stack.put_credentials(token="no-token-of-the-courts", refresh_token=issued["refresh_token"])

    await stack.request_download(number)

    assert (await stack.wait_until_ended(number, seconds=20))["status"] == "completed"
    assert (await stack.get_court_stats())["refreshes"] == 1
    await stack.renew_credentials()


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
async def test_invalid_credentials_are_refused_and_not_repeated_in_the_answer(
    stack: RunningStack, body: dict[str, Any], code: str
) -> None:
    before = await stack.get_court_status()

    answer = await stack.api.put("/court/credentials", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert "two words" not in answer.text
    assert "eyJ" not in answer.text
    assert await stack.get_court_status() == before
