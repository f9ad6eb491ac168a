"""The limit on the size of request bodies, with and without a key."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from api.app import create_app
from api.middleware.body_limit import MAX_BODY_BYTES
from settings import load_settings

KEY = "a key of sixteen characters"
CHUNK_BYTES = 16_384


@pytest.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API without the services behind it: no request here reaches them."""
    transport = httpx2.ASGITransport(create_app(load_settings(api_key=KEY)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


class Upload:
    """A chunked body without a Content-Length that counts the bytes read from it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.sent_bytes < self.size:
            chunk = b" " * min(CHUNK_BYTES, self.size - self.sent_bytes)
            self.sent_bytes += len(chunk)
            yield chunk


def assert_refused(answer: httpx2.Response) -> None:
    """Assert that the answer is the problem `too_large`."""
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/court/credentials"), ("GET", "/health/live"), ("POST", "/nothing/here")]
)
async def test_content_length_above_the_limit_is_refused_on_every_route(
    api: httpx2.AsyncClient, method: str, path: str
) -> None:
    upload = Upload(MAX_BODY_BYTES + 1)
    answer = await api.request(method, path, content=upload, headers={"Content-Length": str(upload.size)})
    assert_refused(answer)
    assert upload.sent_bytes == 0


async def test_body_without_content_length_is_refused_once_it_exceeds_the_limit(api: httpx2.AsyncClient) -> None:
    upload = Upload(100 * MAX_BODY_BYTES)
    assert_refused(await api.put("/court/credentials", content=upload))
    assert upload.sent_bytes <= MAX_BODY_BYTES + CHUNK_BYTES


@pytest.mark.parametrize("has_length", [True, False])
async def test_body_at_the_limit_is_read(api: httpx2.AsyncClient, has_length: bool) -> None:
    body = b'{"token": "' + b"x" * (MAX_BODY_BYTES - 13) + b'"}'
    upload = Upload(MAX_BODY_BYTES)
    answer = await api.put(
        "/court/credentials",
        content=body if has_length else upload,
        headers={"Content-Type": "application/json"},
    )
    assert len(body) == MAX_BODY_BYTES
    # The key is checked only after the body; a body of blanks is not JSON.
    assert answer.status_code == (401 if has_length else 422)
