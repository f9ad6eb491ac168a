"""`autos court`: what a person brings, and what a person is told."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.support.ports import bound_socket
from tests.support.stack import ROOT, RunningStack, clean_environment


@dataclass(frozen=True)
class Said:
    """What a command printed and ended with."""

    code: int
    out: str
    err: str


async def court(stack: RunningStack, *arguments: str, typed: str = "", **variables: str) -> Said:
    """Run `autos court …` beside the stack."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "cli.py"), "court", *arguments),
        cwd=stack.data_dir.parent,
        env=clean_environment(AUTOS_DATA_DIR=str(stack.data_dir), **variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def granted(stack: RunningStack) -> AsyncIterator[dict[str, str]]:
    """A new pair of tokens; afterwards the deployment has one that lasts."""
    yield (await stack.simulator.post("/_simulator/token")).json()
    lasting = (await stack.simulator.post("/_simulator/token")).json()["token"]
    (await stack.api.put("/court/credentials", json={"token": lasting})).raise_for_status()


async def test_a_token_is_brought_and_never_shown(stack: RunningStack, granted: dict[str, str]) -> None:
    brought = await court(stack, "login", typed=f"Bearer {granted['token']}\n")

    assert (brought.code, brought.err) == (0, "")
    assert "The token (stored) ends at 20" in brought.out
    assert "is not renewed" in brought.out
    assert "eyJ" not in brought.out
    assert (await court(stack, "status")).out == brought.out


async def test_the_sign_ins_whole_answer_brings_the_refresh_token_along(
    stack: RunningStack, granted: dict[str, str]
) -> None:
    answer = {
        "access_token": granted["token"],
        "refresh_token": granted["refresh_token"],
        "expires_in": 28_800,
        "token_type": "Bearer",
    }

    brought = await court(stack, "login", typed=json.dumps(answer))

    assert brought.code == 0
    assert "is renewed by itself" in brought.out
    told = json.loads((await court(stack, "status", "--json")).out)
    assert told["credentials"] == {
        "source": "stored",
        "expires_at": told["credentials"]["expires_at"],
        "renewable": True,
        "rejected": False,
        "candidate": None,
    }


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [
        ("", "is not a token"),
        ("two words", "is not a token"),
        ("{half of the JSON", "neither a token nor JSON"),
        ('{"error": "invalid_grant"}', "neither access_token nor refresh_token"),
        ("e30.eyJleHAiOjF9.x", "ended at 1970"),
    ],
)
async def test_what_is_no_token_is_refused(stack: RunningStack, typed: str, complaint: str) -> None:
    refused = await court(stack, "login", typed=typed)

    assert (refused.code, refused.out) == (2, "")
    assert complaint in refused.err
    assert refused.err.startswith("autos: ")


async def test_trouble_at_the_court_is_told_in_words(stack: RunningStack) -> None:
    number = "1000001-51.2026.8.11.0041"
    await stack.fault("throttled", retry_after=30)
    await stack.request(number, max_age=0)
    await stack.waits(number)

    told = await court(stack, "status")

    assert told.code == 0
    assert "The court does not answer since 20" in told.out
    assert "court_throttled" in told.out
    assert "429" in told.out
    await stack.simulator.delete("/_simulator/faults")
    await stack.recovered()
    await stack.ended(number)


async def test_without_an_api_one_line_says_so(stack: RunningStack) -> None:
    with bound_socket() as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    told = await court(stack, "status", AUTOS_PUBLIC_URL=url)

    assert (told.code, told.out) == (5, "")
    assert told.err == f"autos: No API answers at {url}/court/status (ConnectError).\n"
