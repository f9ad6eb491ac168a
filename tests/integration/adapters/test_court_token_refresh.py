"""Renewal of tokens at the court's sign-in service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.court_pdpj import TokenRefreshClient
from domain.court import Credentials
from domain.errors import CourtFailure, FailureCode
from domain.tokens import token_expiry
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.scripted_server import always, answer, scripted
from tests.support.simulators import SimulatedCourt

CLIENT = "portalexterno-frontend"
REALM = "/auth/realms/pje"
GRANTED = {"access_token": "an-access-token", "refresh_token": "a-refresh-token", "expires_in": 300}


async def renew(reply: bytes) -> Credentials:
    """Return the credentials of a renewal with this reply."""
    async with scripted(always(reply)) as server:
        token_refresh = TokenRefreshClient(f"{server.origin}{REALM}", CLIENT, rate_limiter=CountingRateLimiter())
        try:
            return await token_refresh.renew("an-old-token")
        finally:
            await token_refresh.close()


async def refusal(reply: bytes) -> CourtFailure:
    """Return the error of a renewal with this reply."""
    with pytest.raises(CourtFailure) as failed:
        await renew(reply)
    assert "an-old-token" not in str(failed.value)
    return failed.value


async def test_a_refresh_token_can_be_used_once(simulator: SimulatedCourt) -> None:
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as operator:
        pair = (await operator.post(f"{simulator.origin}/_simulator/token", json={})).json()
        token_refresh = TokenRefreshClient(
            f"{simulator.origin}{REALM}/", CLIENT, rate_limiter=CountingRateLimiter()
        )
        first = await token_refresh.renew(pair["refresh_token"])
        assert first.refresh_token not in (None, pair["refresh_token"])
        assert first.access_token is not None
        assert first.expires_at == token_expiry(first.access_token)
        assert first.refresh_expires_at is not None
        with pytest.raises(CourtFailure) as failed:
            await token_refresh.renew(pair["refresh_token"])
        await token_refresh.close()
        taken = await operator.get(
            f"{simulator.origin}/api/v2/processos/1011745-77.2025.8.11.0041",
            headers={"Authorization": f"Bearer {first.access_token}"},
        )
    assert failed.value.code is FailureCode.CREDENTIALS_REJECTED
    assert "a person must sign in" in failed.value.answer
    assert taken.status_code == 200


async def test_the_request_is_that_of_the_portals_own_pages() -> None:
    async with scripted(always(answer(200, json.dumps(GRANTED).encode()))) as server:
        token_refresh = TokenRefreshClient(f"{server.origin}{REALM}", CLIENT, rate_limiter=CountingRateLimiter())
        await token_refresh.renew("an-old-token")
        await token_refresh.close()
    [asked] = server.requests
    assert (asked.method, asked.target) == ("POST", f"{REALM}/protocol/openid-connect/token")
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["an-old-token"],
        "client_id": [CLIENT],
    }


async def test_opaque_tokens_expire_when_the_response_says() -> None:
    credentials = await renew(answer(200, json.dumps(GRANTED | {"refresh_expires_in": 0}).encode()))
    assert (credentials.access_token, credentials.refresh_token) == ("an-access-token", "a-refresh-token")
    assert credentials.expires_at is not None
    assert timedelta(seconds=290) < credentials.expires_at - datetime.now(UTC) <= timedelta(seconds=300)
    assert credentials.refresh_expires_at is None
    assert "token" not in repr(credentials).replace("access_token", "").replace("refresh_token", "")


async def test_without_a_new_refresh_token_the_old_one_is_kept() -> None:
    credentials = await renew(answer(200, b'{"access_token": "an-access-token"}'))
    assert (credentials.refresh_token, credentials.expires_at) == ("an-old-token", None)


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


async def test_the_sign_ins_retry_after_is_in_the_failure() -> None:
    assert (await refusal(answer(429, retry_after="9"))).retry_after == 9


@given(
    st.text() | st.from_regex(r"[A-Za-z0-9_=-]{0,40}\.[A-Za-z0-9_=-]{0,60}\.[A-Za-z0-9_=-]{0,20}", fullmatch=True)
)
@example("a.eyJleHAiOjFlNDAwfQ.b")
@example("a.eyJleHAiOk5hTn0.b")
@example("a.W10.b")
@example("a.bnVsbA.b")
def test_any_text_in_place_of_a_token_has_an_expiry_in_utc_or_none(text: str) -> None:
    ends = token_expiry(text)
    assert ends is None or ends.tzinfo is UTC
