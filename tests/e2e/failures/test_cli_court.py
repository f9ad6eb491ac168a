"""`autos court`: it stores credentials and shows the status of the court."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.cli_commands import run_autos
from tests.support.ports import bound_socket
from tests.support.stack import RunningStack


@pytest.fixture
async def issued(stack: RunningStack) -> AsyncIterator[dict[str, str]]:
    """A new token and refresh token of the court. Afterwards, the deployment gets a token that lasts."""
    yield await stack.create_court_token()
    await stack.renew_credentials()


async def test_login_stores_a_token_and_never_prints_it(stack: RunningStack, issued: dict[str, str]) -> None:
    stored = await run_autos(stack, "court", "login", stdin=f"Bearer {issued['token']}\n")

    assert (stored.exit_code, stored.stderr) == (0, "")
    assert "The token (stored) ends at 20" in stored.stdout
    assert "is not renewed" in stored.stdout
    assert "eyJ" not in stored.stdout
    assert (await run_autos(stack, "court", "status")).stdout == stored.stdout


async def test_login_accepts_the_whole_answer_of_the_sign_in_with_its_refresh_token(
    stack: RunningStack, issued: dict[str, str]
) -> None:
    answer = {
        "access_token": issued["token"],
        "refresh_token": issued["refresh_token"],
        "expires_in": 28_800,
        "token_type": "Bearer",
    }

    stored = await run_autos(stack, "court", "login", stdin=json.dumps(answer))

    assert stored.exit_code == 0
    assert "is renewed by itself" in stored.stdout
    status = json.loads((await run_autos(stack, "court", "status", "--json")).stdout)
    assert status["credentials"] == {
        "source": "stored",
        "expires_at": status["credentials"]["expires_at"],
        "renewable": True,
        "rejected": False,
        "candidate": None,
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not a token"),
        ("two words", "is not a token"),
        ("{half of the JSON", "neither a token nor JSON"),
        ('{"error": "invalid_grant"}', "neither access_token nor refresh_token"),
        ("e30.eyJleHAiOjF9.x", "expired at 1970"),
    ],
)
async def test_login_refuses_what_is_not_a_token(stack: RunningStack, text: str, complaint: str) -> None:
    refused = await run_autos(stack, "court", "login", stdin=text)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert complaint in refused.stderr
    assert refused.stderr.startswith("autos: ")


async def test_status_describes_an_outage_of_the_court(stack: RunningStack) -> None:
    number = "1000001-51.2026.8.11.0041"
    await stack.inject_fault("throttled", retry_after=30)
    await stack.request_download(number, max_age=0)
    await stack.wait_until_waiting_for_court(number)

    status = await run_autos(stack, "court", "status")

    assert status.exit_code == 0
    assert "The court has not answered since 20" in status.stdout
    assert "court_throttled" in status.stdout
    assert "429" in status.stdout
    await stack.end_all_faults()
    await stack.recover_court()
    await stack.wait_until_ended(number)


async def test_status_without_an_api_prints_one_line(stack: RunningStack) -> None:
    with bound_socket() as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    failed = await run_autos(stack, "court", "status", AUTOS_PUBLIC_URL=url)

    assert (failed.exit_code, failed.stdout) == (5, "")
    assert failed.stderr == f"autos: No API answers at {url}/court/status (ConnectError).\n"
