"""What both clients send with: their settings checked, their requests made, and nothing secret logged."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx

from autos_client.calls import Answer, Call
from autos_client.errors import NoAnswer, UnexpectedAnswer

# Longer than the pauses between two signs of life in a stream of events.
EVENTS_SECONDS = 60.0
# A page of the largest things in a list has less than a megabyte.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
# In timeouts: an answer that comes byte by byte passes each of them.
_LONGEST_ANSWER = 10
# The store is asked for the very bytes whose digest is known.
FETCH_HEADERS = {"Accept-Encoding": "identity"}
# What else than a lost connection may come of a link that leads nowhere.
LOST = (httpx.HTTPError, httpx.InvalidURL)

_holds_links: ContextVar[bool] = ContextVar("autos_client_holds_links", default=False)


class _NoLinks(logging.Filter):
    """Drops the log lines of exchanges that hold signed links; httpx and httpcore log whole addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _holds_links.get()


_no_links = _NoLinks()
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_no_links)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep the exchanges of the block out of the logs of the HTTP libraries."""
    token = _holds_links.set(True)
    try:
        yield
    finally:
        _holds_links.reset(token)


def checked_url(base_url: str) -> str:
    """An address without a slash at the end.

    Raises:
        ValueError: it is none, or holds a password.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise ValueError("The base address begins with http:// or https://, and holds no user and no password.")
    return str(url).rstrip("/")


def key_headers(api_key: str | None) -> dict[str, str]:
    """The header that shows the key.

    Raises:
        ValueError: it cannot be one; the text does not repeat it.
    """
    if api_key is None:
        return {}
    if not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""):
        raise ValueError("An API key is made of visible ASCII characters, without blanks around it.")
    return {"Authorization": f"Bearer {api_key}"}


def arguments(call: Call[Any], timeout: float) -> dict[str, Any]:
    """A call as httpx takes it."""
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.params) or None,
        "headers": dict(call.headers),
        "json": call.json,
        "timeout": httpx.Timeout(timeout, read=timeout + call.hold_seconds),
    }


class AnswerReader:
    """Reads the body of an answer, up to a size and a time that no answer of the API comes near.

    Args:
        response: the answer, whose body is still to come.
        timeout: seconds that each part of it may take.
    """

    def __init__(self, response: httpx.Response, timeout: float) -> None:
        """Begin with an empty body."""
        self._response = response
        self._body = bytearray()
        self._deadline = time.monotonic() + _LONGEST_ANSWER * timeout

    def take(self, piece: bytes) -> None:
        """Take the next bytes of the body, decompressed.

        Raises:
            UnexpectedAnswer: it has no end.
        """
        self._body += piece
        if len(self._body) > MAX_ANSWER_BYTES or time.monotonic() > self._deadline:
            raise UnexpectedAnswer("The answer has no end. Is the address right?")

    def answer(self) -> Answer:
        """Return the answer with the body that has come."""
        body = None
        if "json" in self._response.headers.get("content-type", ""):
            try:
                body = json.loads(bytes(self._body))
            except (ValueError, RecursionError):
                body = None
        return Answer(self._response.status_code, self._response.headers, body)


def no_answer(url: str, error: Exception) -> NoAnswer:
    """The exception for a request that was not answered; raised where ``error``, which holds the request, ended."""
    return NoAnswer("no_answer", f"No API answers at {url} ({type(error).__name__}).")


def no_bytes(error: Exception) -> NoAnswer:
    """As ``no_answer``, for a link: it is not named."""
    return NoAnswer("not_fetched", f"The store did not answer to the end ({type(error).__name__}).")
