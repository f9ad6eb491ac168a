"""Renewing tokens at the court's sign-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.court_pdpj import SignIn
from domain.court import Credentials
from domain.errors import CourtFailure, FailureCode
from domain.tokens import token_expiry
from tests.support.court_paces import CountingPace
from tests.support.scripted_server import always, answer, scripted
from tests.support.simulators import SimulatedCourt

CLIENT = "portalexterno-frontend"
REALM = "/auth/realms/pje"
GRANTED = {"access_token": "an-access-token", "refresh_token": "a-refresh-token", "expires_in": 300}


async def renewed(reply: bytes) -> Credentials:
    """What a renewal leads to."""
    async with scripted(always(reply)) as server:
        sign_in = SignIn(f"{server.origin}{REALM}", CLIENT, pace=CountingPace())
        try:
            return await sign_in.renew("an-old-token")
        finally:
            await sign_in.close()


async def refusal(reply: bytes) -> CourtFailure:
    """How a renewal fails."""
    with pytest.raises(CourtFailure) as failed:
        await renewed(reply)
    assert "an-old-token" not in str(failed.value)
    return failed.value


async def test_a_refresh_token_is_traded_once(simulator: SimulatedCourt) -> None:
    async with httpx.AsyncClient(trust_env=False) as operator:
        pair = (await operator.post(f"{simulator.origin}/_simulator/token", json={})).json()
        sign_in = SignIn(f"{simulator.origin}{REALM}/", CLIENT, pace=CountingPace())
        first = await sign_in.renew(pair["refresh_token"])
        assert first.refresh_token not in (None, pair["refresh_token"])
        assert first.access_token is not None
        assert first.expires_at == token_expiry(first.access_token)
        assert first.refresh_expires_at is not None
        with pytest.raises(CourtFailure) as failed:
            await sign_in.renew(pair["refresh_token"])
        await sign_in.close()
        taken = await operator.get(
            f"{simulator.origin}/api/v2/processos/1011745-77.2025.8.11.0041",
            headers={"Authorization": f"Bearer {first.access_token}"},
        )
    assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
    assert "a person must sign in" in failed.value.answer
    assert taken.status_code == 200


async def test_the_request_is_that_of_the_portals_own_pages() -> None:
    async with scripted(always(answer(200, json.dumps(GRANTED).encode()))) as server:
        sign_in = SignIn(f"{server.origin}{REALM}", CLIENT, pace=CountingPace())
        await sign_in.renew("an-old-token")
        await sign_in.close()
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", f"{REALM}/protocol/openid-connect/token")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["an-old-token"],
        "client_id": [CLIENT],
    }


async def test_tokens_that_say_nothing_end_when_the_answer_says() -> None:
    got = await renewed(answer(200, json.dumps(GRANTED | {"refresh_expires_in": 0}).encode()))
    assert (got.access_token, got.refresh_token) == ("an-access-token", "a-refresh-token")
    assert got.expires_at is not None
    assert timedelta(seconds=290) < got.expires_at - datetime.now(UTC) <= timedelta(seconds=300)
    assert got.refresh_expires_at is None
    assert "token" not in repr(got).replace("access_token", "").replace("refresh_token", "")


async def test_without_a_new_refresh_token_the_old_one_is_kept() -> None:
    got = await renewed(answer(200, b'{"access_token": "an-access-token"}'))
    assert (got.refresh_token, got.expires_at) == ("an-old-token", None)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(400, b'{"error": "invalid_grant"}'), FailureCode.CREDENTIALS_REJECTED),
        (answer(401, b'{"error": "invalid_client"}'), FailureCode.COURT_UNAVAILABLE),
        (answer(400, b'{"error": "Bearer an-old-token"}'), FailureCode.COURT_UNAVAILABLE),
        (answer(400, b"<html>"), FailureCode.COURT_UNAVAILABLE),
        (answer(403, b"<html>"), FailureCode.COURT_BLOCKED),
        (answer(429, retry_after="9"), FailureCode.COURT_THROTTLED),
        (answer(500), FailureCode.COURT_UNAVAILABLE),
        (answer(503, b'{"error": "unavailable"}'), FailureCode.COURT_UNAVAILABLE),
        (answer(302, location="https://x.invalid/"), FailureCode.COURT_UNAVAILABLE),
        (answer(200, b"<html>"), FailureCode.COURT_UNAVAILABLE),
        (answer(200, b'{"access_token": 1}'), FailureCode.COURT_UNAVAILABLE),
        (answer(200, b"[" * 50_000), FailureCode.COURT_UNAVAILABLE),
        (b"", FailureCode.COURT_UNAVAILABLE),
    ],
)
async def test_a_renewal_that_fails_says_whether_a_person_must_help(reply: bytes, code: FailureCode) -> None:
    failure = await refusal(reply)
    assert failure.code is code
    assert ("a person must sign in" in failure.answer) is (b"invalid_grant" in reply)


async def test_a_wait_that_the_sign_in_asks_for_is_told() -> None:
    assert (await refusal(answer(429, retry_after="9"))).retry_after == 9


@given(
    st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,60}\.[A-Za-z0-9_=-]{0,20}", fullmatch=True)
)
@example("a.eyJleHAiOjFlNDAwfQ.b")
@example("a.eyJleHAiOk5hTn0.b")
@example("a.W10.b")
@example("a.bnVsbA.b")
def test_whatever_stands_in_a_tokens_place_ends_at_a_moment_or_says_nothing(text: str) -> None:
    ends = token_expiry(text)
    assert ends is None or ends.tzinfo is UTC
