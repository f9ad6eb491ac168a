"""Tokens expire, are revoked, and can be refreshed once."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx2
import pytest

KNOWN = "/processos/1011745-77.2025.8.11.0041"
SIGN_IN = "/auth/realms/pje/protocol/openid-connect/token"


def read_claims(token: str) -> dict[str, Any]:
    header, payload, signature = token.split(".")
    assert signature
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "HS256"
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert isinstance(content, dict)
    return content


async def read_status(court: httpx2.AsyncClient, token: str) -> int:
    answer = await court.get(KNOWN, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def refresh(origin: str, **form: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60, trust_env=False, verify=False) as client:
        return await client.post(origin + SIGN_IN, data=form)


async def test_tokens_are_jwts_like_the_courts(control: httpx2.AsyncClient) -> None:
    before = time.time()
    grant = (await control.post("/token", json={"expires_in": 300})).json()
    content = read_claims(grant["token"])
    assert grant["expires_in"] == 300
    assert content["exp"] - content["iat"] == 300
    assert before - 1 <= content["iat"] <= time.time()
    assert content["iss"].endswith("/realms/pje")
    assert content["azp"] == "portalexterno-frontend"
    assert content["sub"]
    assert content["preferred_username"] == "00000000000"


async def test_a_token_lasts_eight_hours_by_default(control: httpx2.AsyncClient) -> None:
    content = read_claims((await control.post("/token")).json()["token"])
    assert content["exp"] - content["iat"] == 28_800


async def test_a_new_token_revokes_the_old_ones(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str
) -> None:
    old = (await control.post("/token")).json()
    assert await read_status(court, old["token"]) == 200
    new = (await control.post("/token")).json()
    assert await read_status(court, old["token"]) == 401
    assert await read_status(court, new["token"]) == 200
    answer = await refresh(origin, grant_type="refresh_token", refresh_token=old["refresh_token"], client_id="c")
    assert answer.json()["error"] == "invalid_grant"


async def test_an_expired_token_is_rejected(court: httpx2.AsyncClient, control: httpx2.AsyncClient) -> None:
    token = (await control.post("/token", json={"expires_in": 0})).json()["token"]
    assert await read_status(court, token) == 401


async def test_a_token_that_was_tampered_with_is_rejected(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient
) -> None:
    header, payload, signature = (await control.post("/token")).json()["token"].split(".")
    longer = read_claims(f"{header}.{payload}.{signature}")
    longer["exp"] += 1
    forged = base64.urlsafe_b64encode(json.dumps(longer).encode()).decode().rstrip("=")
    assert await read_status(court, f"{header}.{forged}.{signature}") == 401
    assert await read_status(court, f"{header}.{payload}.{signature}") == 200


async def test_a_refresh_token_can_be_used_once_and_rotates(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str
) -> None:
    grant = (await control.post("/token", json={"expires_in": 20})).json()
    form = {"grant_type": "refresh_token", "client_id": "portalexterno-frontend"}
    first = await refresh(origin, **form, refresh_token=grant["refresh_token"])
    assert first.status_code == 200
    body = first.json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 20)
    assert body["refresh_token"] != grant["refresh_token"]
    assert await read_status(court, body["access_token"]) == 200
    again = await refresh(origin, **form, refresh_token=grant["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    second = await refresh(origin, **form, refresh_token=body["refresh_token"])
    assert await read_status(court, second.json()["access_token"]) == 200


async def test_a_refresh_token_is_no_access_token(
    court: httpx2.AsyncClient, control: httpx2.AsyncClient, origin: str
) -> None:
    grant = (await control.post("/token")).json()
    assert await read_status(court, grant["refresh_token"]) == 401
    answer = await refresh(origin, grant_type="refresh_token", refresh_token=grant["token"], client_id="c")
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("form", "expected", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 401, "invalid_client"),
        ({"grant_type": "password", "client_id": "c"}, 400, "unauthorized_client"),
        ({"grant_type": "device_code", "client_id": "c"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "c"}, 400, "invalid_grant"),
    ],
)
async def test_other_ways_to_sign_in_are_refused(
    origin: str, form: dict[str, str], expected: int, error: str
) -> None:
    answer = await refresh(origin, **form)
    assert (answer.status_code, answer.json()["error"]) == (expected, error)


async def test_a_token_may_leave_the_others_valid(court: httpx2.AsyncClient, control: httpx2.AsyncClient) -> None:
    first = (await control.post("/token")).json()["token"]
    second = (await control.post("/token", json={"revoke_others": False})).json()["token"]
    assert [await read_status(court, token) for token in (first, second)] == [200, 200]
    third = (await control.post("/token", json={"revoke_others": True})).json()["token"]
    assert [await read_status(court, token) for token in (first, second, third)] == [401, 401, 200]
    assert (await control.post("/token", json={"revoke_others": 1})).status_code == 422
