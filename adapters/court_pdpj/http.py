"""One request to the portal: its token, its timeouts, its redirects, and what its response means."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import httpx2

from adapters.court_pdpj.bodies import ACCEPT_ENCODING, JsonReader, iter_body, read_beginning
from adapters.court_pdpj.bounded_json import InvalidJson, UnreadableBody
from adapters.court_pdpj.connection_errors import describe_connection_error
from adapters.court_pdpj.error_mapping import Resource, map_error_response
from adapters.court_pdpj.rate_limiter import RequestRateLimiter
from adapters.court_pdpj.tokens import TokenSource
from adapters.court_pdpj.urls import Redirect
from domain.errors import ConfigurationError, CourtError, CourtFailure, DocumentFailure, FailureCode, ProcessFailure
from domain.spans import STATUS, SpanKind, Tracer

_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 4096
_JSON_HEADERS = {"Accept": "application/json, text/plain, */*", **ACCEPT_ENCODING}
_BINARY_HEADERS = {"Accept": "application/pdf,application/octet-stream,*/*", "Accept-Encoding": "identity"}
_MAX_REDIRECTS = 5
# The kind of a request that the court has redirected to a store of its own.
_STORAGE = "storage"
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes 0-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VISIBLE_ASCII = re.compile(r"[!-~]+")
_RESERVED_HEADERS = frozenset({"authorization", "host", "content-length", "transfer-encoding"})

# Called for each request with the status of the response, or None if none began, and the seconds until then.
ObserveRequest: TypeAlias = Callable[[int | None, float], None]


@dataclass(slots=True)
class ResponseHead:
    """What the headers of a response say about its body.

    Attributes:
        media_type: The stated media type. None until the response begins.
    """

    media_type: str | None = None


class HttpPortal:
    """HTTP client of the portal. Each request carries the token that is current when it is sent.

    A token that the court rejects is replaced once, if there is another one, and the request is sent again. A
    redirect is followed only within the court's API, or to an object store of the court's and then without the
    token: any other redirect would carry the token to a login page or to another host.

    Args:
        tokens: The source of the tokens. They are never logged.
        rate_limiter: Awaited before each request is sent, a repeated one too.
        connections: The size of the connection pool.
        headers: Sent with every request.
        answer_seconds: How long a response may take to begin.
        stall_seconds: How long nothing of a response that has begun may arrive. Values above ``answer_seconds``
            have no effect.
        max_json_bytes: How large a JSON body may be once it is decompressed.
        resolve_redirect: Returns where a redirect may lead, given the requested URL and the response's
            ``Location``. None if it must not be followed.
        observe: Called for each request.
        tracer: Opens a span for each request. The court gets none of its ids.

    Raises:
        ConfigurationError: A header cannot be sent, or may be set by the client only.
    """

    def __init__(
        self,
        tokens: TokenSource,
        rate_limiter: RequestRateLimiter,
        *,
        connections: int,
        headers: Mapping[str, str],
        answer_seconds: float,
        stall_seconds: float,
        max_json_bytes: int,
        resolve_redirect: Callable[[str, str], Redirect | None],
        observe: ObserveRequest,
        tracer: Tracer,
    ) -> None:
        for name, value in headers.items():
            _check_header(name, value)
        self._tokens = tokens
        self._rate_limiter = rate_limiter
        self._stall_seconds = stall_seconds
        self._json = JsonReader(max_json_bytes, stall_seconds)
        self._resolve_redirect = resolve_redirect
        self._last_date: tuple[str, datetime] | None = None
        self._observe = observe
        self._tracer = tracer
        self._http = httpx2.AsyncClient(
            headers=headers,
            event_hooks={"response": [self._keep_date]},
            timeout=httpx2.Timeout(answer_seconds, connect=min(_CONNECT_SECONDS, answer_seconds)),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        )
        # An object store gets nothing that is meant for the court: neither the token nor the configured headers.
        self._storage_http = httpx2.AsyncClient(timeout=self._http.timeout, follow_redirects=False)

    @property
    def clock_skew(self) -> timedelta | None:
        """How far the court's clock is ahead of ours, by its last response's ``Date``. None if it has none."""
        if self._last_date is None:
            return None
        date, received_at = self._last_date
        try:
            stated = parsedate_to_datetime(date)
        except ValueError:
            return None
        return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)) - received_at

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._storage_http.aclose()

    async def get_json(self, url: str, *, replace_token: bool = True) -> object:
        """Request a URL and return the JSON of its response.

        Args:
            url: The URL to request.
            replace_token: Whether to replace a rejected token and try again.

        Raises:
            ProcessFailure: The process is absent or out of reach, or its JSON exceeds the bounds.
            CourtFailure: The court does not answer now, or rejects the token.
        """
        try:
            async with self._open_response(
                url, _JSON_HEADERS, Resource.PROCESS, replace_token=replace_token
            ) as response:
                return await self._json.read(response)
        except (httpx2.HTTPError, TimeoutError) as error:
            failure: CourtError = CourtFailure(FailureCode.COURT_UNAVAILABLE, describe_connection_error(error))
        except UnreadableBody as error:
            failure = ProcessFailure(FailureCode.INVALID_LISTING, str(error))
        except InvalidJson:
            # The portal's HTML page, or a gateway's, instead of JSON: it says nothing about the process.
            failure = CourtFailure(FailureCode.COURT_UNAVAILABLE, "HTTP 200 with a body that is not JSON.")
        # Raised outside the `except` clauses: inside, it would keep the first error as its context, and with its
        # traceback the body read so far.
        raise failure

    async def stream(self, url: str, head: ResponseHead) -> AsyncGenerator[bytes, None]:
        """Request a URL and yield the bytes of its response as they arrive.

        Args:
            url: The URL to request.
            head: Filled in when the response begins.

        Raises:
            DocumentFailure: The court does not have the document, or the connection was lost on the way.
            CourtFailure: The court does not answer now, or rejects the token.
        """
        has_begun = False
        try:
            async with self._open_response(url, _BINARY_HEADERS, Resource.DOCUMENT) as response:
                has_begun = True
                head.media_type = response.headers.get("content-type")
                async with aclosing(iter_body(response, self._stall_seconds)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        except UnreadableBody as error:
            raise DocumentFailure(FailureCode.INVALID_CONTENT, str(error)) from None
        except httpx2.InvalidURL:
            raise DocumentFailure(
                FailureCode.NO_CONTENT_ADDRESS, "The listing gives an address that cannot be asked."
            ) from None
        except (httpx2.HTTPError, TimeoutError) as error:
            if has_begun:
                raise DocumentFailure(FailureCode.CONNECTION_LOST, describe_connection_error(error)) from None
            raise CourtFailure(FailureCode.COURT_UNAVAILABLE, describe_connection_error(error)) from None

    @asynccontextmanager
    async def _open_response(
        self, url: str, headers: dict[str, str], resource: Resource, *, replace_token: bool = True
    ) -> AsyncIterator[httpx2.Response]:
        """Send a request, follow its redirects, and yield the complete response. Raises for any other one."""
        redirects = 0
        with_token = True
        # Before the token is read: it is withheld if the circuit has opened during the wait.
        await self._rate_limiter.acquire()
        token = await self._tokens.get_token()
        while True:
            kind = resource.name.lower() if with_token else _STORAGE
            with self._tracer.start_span("court request", SpanKind.CLIENT, {"autos.court.kind": kind}) as span:
                async with self._send(url, headers, token, with_token=with_token) as response:
                    span.set(STATUS, response.status_code)
                    if _is_complete(response):
                        yield response
                        return
                    redirect = self._find_redirect(response, url) if redirects < _MAX_REDIRECTS else None
                    failure = None if redirect else await self._map_error(response, resource)
                if failure is not None:
                    span.fail(failure.code.value)
            if redirect is not None:
                redirects += 1
                url, with_token = redirect.url, redirect.with_token
            elif failure is not None:
                is_rejected = failure.code is FailureCode.CREDENTIALS_REJECTED and failure.status == 401
                if not (is_rejected and replace_token and with_token):
                    raise failure
                token = await self._tokens.replace_rejected(token)
                if token is None:
                    raise failure
                replace_token = False
            if with_token:
                await self._rate_limiter.acquire()

    @asynccontextmanager
    async def _send(
        self, url: str, headers: dict[str, str], token: str | None, *, with_token: bool
    ) -> AsyncIterator[httpx2.Response]:
        if with_token:
            headers = {**headers, "Authorization": f"Bearer {_require_token(token)}"}
        sent_at, has_begun = time.monotonic(), False
        try:
            async with (self._http if with_token else self._storage_http).stream(
                "GET", url, headers=headers
            ) as response:
                has_begun = True
                self._observe(response.status_code, time.monotonic() - sent_at)
                yield response
        except (httpx2.HTTPError, TimeoutError):
            if not has_begun:
                self._observe(None, time.monotonic() - sent_at)
            raise

    def _find_redirect(self, response: httpx2.Response, url: str) -> Redirect | None:
        location = response.headers.get("location")
        if response.status_code not in _REDIRECT_STATUSES or location is None:
            return None
        return self._resolve_redirect(url, location)

    async def _keep_date(self, response: httpx2.Response) -> None:
        if (date := response.headers.get("date")) is not None:
            self._last_date = (date, datetime.now(UTC))

    async def _map_error(self, response: httpx2.Response, resource: Resource) -> CourtError:
        body = None
        # The status counts even if the body cannot be read.
        with suppress(httpx2.HTTPError, TimeoutError, UnreadableBody):
            body = await read_beginning(response, _ERROR_BODY_BYTES, self._stall_seconds)
        return map_error_response(response.status_code, response.headers, body, resource)


def _is_complete(response: httpx2.Response) -> bool:
    """Return whether a response has the whole resource: 200, 203 from a proxy, or 206 with every byte."""
    if response.status_code != httpx2.codes.PARTIAL_CONTENT:
        return response.status_code in (httpx2.codes.OK, httpx2.codes.NON_AUTHORITATIVE_INFORMATION)
    stated = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "").strip())
    return stated is not None and int(stated[1]) + 1 == int(stated[2])


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"The header {name!r} for the court cannot be sent as it is.")
    if name.lower() in _RESERVED_HEADERS:
        raise ConfigurationError(f"The header {name!r} for the court is reserved and cannot be set.")


def _require_token(token: str | None) -> str:
    if not token:
        raise CourtFailure(FailureCode.CREDENTIALS_REJECTED, "No token for the court is set.")
    if not _VISIBLE_ASCII.fullmatch(token):
        raise CourtFailure(FailureCode.CREDENTIALS_REJECTED, "The token holds characters that no header can carry.")
    return token
