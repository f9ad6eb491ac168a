"""What both clients share of HTTP: checked settings, arguments, limits on answers, and no secrets in logs."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx2

from autos_client.errors import NoAnswer, UnexpectedAnswer
from autos_client.requests import Answer, Call

# Longer than the interval between two keep-alive comments in a stream of events.
EVENTS_SECONDS = 60.0
# A page of the largest items has less than a megabyte.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
# An answer that comes byte by byte never exceeds the read timeout, so it is also limited as a whole.
_MAX_TIMEOUTS_PER_ANSWER = 10
# No compression: the digest is that of the stored bytes.
FETCH_HEADERS = {"Accept-Encoding": "identity"}

# A link that is not a URL raises InvalidURL.
DOWNLOAD_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL)
# As long as the API accepts it.
_MAX_PURPOSE_LENGTH = 200

_holds_links: ContextVar[bool] = ContextVar("autos_client_holds_links", default=False)


class _NoLinks(logging.Filter):
    """Drops log lines about requests with signed links: httpx2 and httpcore2 log whole URLs."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _holds_links.get()


_no_links = _NoLinks()
for _name in ("httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2", "httpcore2.proxy"):
    logging.getLogger(_name).addFilter(_no_links)


@contextmanager
def without_http_logs() -> Iterator[None]:
    """Keep the requests of the block out of the logs of the HTTP libraries."""
    token = _holds_links.set(True)
    try:
        yield
    finally:
        _holds_links.reset(token)


def checked_base_url(base_url: str) -> str:
    """Return a base URL without a slash at its end.

    Raises:
        ValueError: It is not an HTTP URL, or holds a user or a password.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise ValueError("The base address begins with http:// or https://, and holds no user and no password.")
    return str(url).rstrip("/")


def purpose_headers(purpose: str | None) -> dict[bytes, bytes]:
    """Return the header that says what documents are wanted for. Empty without a purpose.

    Raises:
        ValueError: The text cannot be sent.
    """
    if purpose is None:
        return {}
    if not purpose.isprintable() or len(purpose) > _MAX_PURPOSE_LENGTH:
        raise ValueError(f"A purpose is one line of at most {_MAX_PURPOSE_LENGTH} characters.")
    return {b"X-Autos-Purpose": purpose.strip().encode()}


def key_headers(api_key: str | None) -> dict[str, str]:
    """Return the headers that authenticate. Empty without a key.

    Raises:
        ValueError: The text cannot be a key. The error does not quote it.
    """
    if api_key is None:
        return {}
    if not (api_key.isascii() and api_key.isprintable() and api_key.strip() == api_key != ""):
        raise ValueError("An API key is made of visible ASCII characters, without blanks around it.")
    return {"Authorization": f"Bearer {api_key}"}


def stream_arguments(call: Call[Any], timeout: float) -> dict[str, Any]:
    """Return a call as the arguments of ``httpx2.Client.stream``."""
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.params) or None,
        "headers": dict(call.headers),
        "json": call.json,
        "timeout": httpx2.Timeout(timeout, read=timeout + call.hold_seconds),
    }


def range_headers(first_byte: int) -> dict[str, str]:
    """Return the header that asks for the bytes of a file from one on. Empty for all of them."""
    return {"Range": f"bytes={first_byte}-"} if first_byte else {}


class RestOfFile:
    """Takes the bytes of an answer from one on, whether the store has left out those before it or not.

    Args:
        status: The status of the answer.
        first_byte: The first byte that is wanted.
    """

    def __init__(self, status: int, first_byte: int) -> None:
        """Start before the first bytes of the answer."""
        self.is_wanted = status == 200 or (status == 206 and first_byte > 0)
        self._surplus = first_byte if status == 200 else 0

    def of(self, piece: bytes) -> bytes:
        """Return what is wanted of the next bytes."""
        rest = piece[self._surplus :]
        self._surplus -= len(piece) - len(rest)
        return rest


class AnswerReader:
    """Collects the body of an answer, up to a size and a time that no answer of the API comes near.

    Args:
        response: The answer, whose body is not yet read.
        timeout: Seconds that each part of it may take.
    """

    def __init__(self, response: httpx2.Response, timeout: float) -> None:
        """Start with an empty body."""
        self._response = response
        self._body = bytearray()
        self._deadline = time.monotonic() + _MAX_TIMEOUTS_PER_ANSWER * timeout

    def take(self, piece: bytes) -> None:
        """Add the next bytes of the body, decompressed.

        Raises:
            UnexpectedAnswer: The body is too large or takes too long.
        """
        self._body += piece
        if len(self._body) > MAX_ANSWER_BYTES or time.monotonic() > self._deadline:
            raise UnexpectedAnswer("The answer has no end. Is the address right?")

    def answer(self) -> Answer:
        """Return the answer with the body that was collected."""
        body = None
        if "json" in self._response.headers.get("content-type", ""):
            try:
                body = json.loads(bytes(self._body))
            except (ValueError, RecursionError):
                body = None
        return Answer(self._response.status_code, self._response.headers, body)


def no_answer_error(url: str, error: Exception) -> NoAnswer:
    """Return the exception for a request without an answer.

    Raise it outside of the ``except`` block: ``error`` holds the request with its key, and must not be its context.
    """
    name = type(error).__name__
    text = f"No API answers at {url} ({name})."
    if (problem := _certificate_problem(error)) is not None:
        text = f"The certificate of {url} is not trusted ({problem}). SSL_CERT_FILE names the authorities to trust."
    return NoAnswer("no_answer", text, error_name=name)


def download_error(error: Exception) -> NoAnswer:
    """Return the same for a download from a link. The text does not contain the link."""
    name = type(error).__name__
    return NoAnswer("not_fetched", f"The store did not answer to the end ({name}).", error_name=name)


def _certificate_problem(error: Exception) -> str | None:
    """Return what OpenSSL says of a certificate that is not trusted. None if the error has another cause."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message.rstrip(".")
        cause = cause.__cause__ or cause.__context__
    return None
