"""The header Prefer: what is understood of it, and waiting no longer than the client does."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from api.preferences import MAX_WAIT_SECONDS, Preferences, while_connected


@pytest.mark.parametrize(
    ("values", "wait"),
    [
        ([], None),
        ([""], None),
        (["wait=10"], 10),
        (["Wait = 10"], 10),
        (['wait="10"'], 10),
        (["wait=0"], 0),
        (["wait=30"], 30),
        (["wait=31"], MAX_WAIT_SECONDS),
        (["wait=0000000000007"], 7),
        (["wait=" + "9" * 5_000], MAX_WAIT_SECONDS),
        (["wait=-1"], None),
        (["wait=1.5"], None),
        (["wait=ten"], None),
        (["wait=١٠"], None),
        (["wait"], None),
        (["wait="], None),
        (["wait=10 seconds"], None),
        (["return=minimal; foo=bar, wait=5"], 5),
        (["wait=5; why=haste"], 5),
        (["handling=lenient", "wait=5"], 5),
        (["wait=5, wait=20"], 5),
        (["wait=5", "wait=20"], 5),
        (["wait=no, wait=20"], None),
        (['note="wait=9, and \\" more", wait=5'], 5),
        (['note="never closed, wait=5'], None),
        ([",, ,wait=5,"], 5),
    ],
)
def test_the_seconds_to_wait_are_found_among_what_else_is_preferred(values: list[str], wait: int | None) -> None:
    assert Preferences.parse(values).wait == wait


@given(st.lists(st.text(alphabet='wait=0123456789,;" \\x', max_size=60), max_size=3))
def test_whatever_is_sent_is_read_or_ignored(values: list[str]) -> None:
    wait = Preferences.parse(values).wait
    assert wait is None or 0 <= wait <= MAX_WAIT_SECONDS


def test_an_answer_says_what_was_applied() -> None:
    assert Preferences.parse(["wait=99"]).response_headers == {"Vary": "Prefer", "Preference-Applied": "wait=30"}
    assert Preferences.parse(["wait=x"]).response_headers == {"Vary": "Prefer"}


def request_of(messages: asyncio.Queue[Message]) -> Request:
    """A request whose client is heard through a queue."""
    return Request({"type": "http"}, messages.get)


async def test_nobody_waits_for_a_client_that_has_left() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request"})
    messages.put_nowait({"type": "http.disconnect"})
    cut_off = asyncio.Event()

    async def waiting() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut_off.set()
            raise
        return "news"

    began = time.monotonic()
    assert await while_connected(request_of(messages), waiting()) is None
    assert cut_off.is_set()
    assert time.monotonic() - began < 5


async def test_a_client_that_stays_gets_what_it_waits_for_or_the_error() -> None:
    async def news() -> str:
        return "news"

    async def error() -> str:
        raise LookupError("gone")

    assert await while_connected(request_of(asyncio.Queue()), news()) == "news"
    with pytest.raises(LookupError, match="gone"):
        await while_connected(request_of(asyncio.Queue()), error())
