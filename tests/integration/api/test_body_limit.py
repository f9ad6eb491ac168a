"""Nobody makes the API hold more than a request may carry, with or without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from api.middleware.body_limit import MAX_BODY_BYTES
from settings import load_settings

KEY = "a key of sixteen characters"
CHUNK = 16_384


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """The API, without the parts behind it: nothing here gets as far."""
    transport = httpx.ASGITransport(create_app(load_settings(api_key=KEY)))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


class Upload:
    """A body in chunks, without a stated length; notes how much of it was taken."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < self.size:
            chunk = b" " * min(CHUNK, self.size - self.taken)
            self.taken += len(chunk)
            yield chunk


def assert_refused(answer: httpx.Response) -> None:
    """The answer is the problem that says so."""
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/court/credentials"), ("GET", "/health/live"), ("POST", "/nothing/here")]
)
async def test_a_length_above_the_limit_is_refused_whatever_is_asked(
    api: httpx.AsyncClient, method: str, path: str
) -> None:
    upload = Upload(MAX_BODY_BYTES + 1)
    answer = await api.request(method, path, content=upload, headers={"Content-Length": str(upload.size)})
    assert_refused(answer)
    assert upload.taken == 0


async def test_a_body_without_a_length_is_refused_once_too_much_has_come(api: httpx.AsyncClient) -> None:
    upload = Upload(100 * MAX_BODY_BYTES)
    assert_refused(await api.put("/court/credentials", content=upload))
    assert upload.taken <= MAX_BODY_BYTES + CHUNK


@pytest.mark.parametrize("stated", [True, False])
async def test_a_body_at_the_limit_comes_to_the_door(api: httpx.AsyncClient, stated: bool) -> None:
    body = b'{"token": "' + b"x" * (MAX_BODY_BYTES - 13) + b'"}'
    upload = Upload(MAX_BODY_BYTES)
    answer = await api.put(
        "/court/credentials",
        content=body if stated else upload,
        headers={"Content-Type": "application/json"},
    )
    assert len(body) == MAX_BODY_BYTES
    # The key is looked at only now; a text of nothing but blanks is no JSON.
    assert answer.status_code == (401 if stated else 422)
