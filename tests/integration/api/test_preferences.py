"""The `Prefer` header: parsing it, and waiting only while the client stays connected."""

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
def test_wait_is_parsed_from_the_prefer_header(values: list[str], wait: int | None) -> None:
    assert Preferences.parse(values).wait == wait


@given(st.lists(st.text(alphabet='wait=0123456789,;" \\x', max_size=60), max_size=3))
def test_any_prefer_header_is_parsed_or_ignored(values: list[str]) -> None:
    wait = Preferences.parse(values).wait
    assert wait is None or 0 <= wait <= MAX_WAIT_SECONDS


def test_response_headers_name_the_applied_preference() -> None:
    assert Preferences.parse(["wait=99"]).response_headers == {"Vary": "Prefer", "Preference-Applied": "wait=30"}
    assert Preferences.parse(["wait=x"]).response_headers == {"Vary": "Prefer"}


def create_request(messages: asyncio.Queue[Message]) -> Request:
    """Return a request that receives its ASGI messages from a queue."""
    return Request({"type": "http"}, messages.get)


async def test_while_connected_cancels_the_wait_when_the_client_disconnects() -> None:
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request"})
    messages.put_nowait({"type": "http.disconnect"})
    cancelled = asyncio.Event()

    async def wait() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "news"

    began = time.monotonic()
    assert await while_connected(create_request(messages), wait()) is None
    assert cancelled.is_set()
    assert time.monotonic() - began < 5


async def test_while_connected_returns_the_result_or_raises_the_error() -> None:
    async def return_news() -> str:
        return "news"

    async def raise_error() -> str:
        raise LookupError("gone")

    assert await while_connected(create_request(asyncio.Queue()), return_news()) == "news"
    with pytest.raises(LookupError, match="gone"):
        await while_connected(create_request(asyncio.Queue()), raise_error())
