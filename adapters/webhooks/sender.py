"""Sending webhooks: signed by ``standardwebhooks``, over httpcore2, to checked addresses only."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore2
from standardwebhooks import Webhook

from adapters.webhooks.address_guard import AddressGuard, NonPublicAddress
from domain.certificates import find_certificate_problem
from domain.errors import ConfigurationError
from domain.retry_after import parse_retry_after
from domain.spans import NO_TRACES, STATUS, SpanKind, Tracer

_TOTAL_TIMEOUT_SECONDS = 15.0
# For reading the beginning of the body, after the status was received.
_EXCERPT_SECONDS = 2.0
_EXCERPT_BYTES = 4096
# The longest delay of the published retry schedule.
_LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
_CONNECTION_ERRORS = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.TimeoutException,
)
_DEFAULT_PORTS = {b"http": 80, b"https": 443}
_REFUSED = "destination refused or unreachable"
_NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Reply:
    """A receiver's response.

    Attributes:
        status_code: None if there was no response.
        excerpt: The beginning of the response body.
        error: Why there was no response, in words that do not reveal whether a port is open or closed.
        retry_after: Seconds that the receiver asked us to wait.
    """

    status_code: int | None = None
    excerpt: str | None = None
    error: str | None = None
    retry_after: float | None = None


class WebhookSender:
    """Signs and posts events.

    Args:
        secret: The deployment's secret, for clients without one: ``whsec_`` and the base64 of 24 to 64 bytes.
        address_guard: Checks the addresses.
        proxy_url: An egress proxy, which then decides what may be reached. Without one, every address is checked
            here before the connection.
        tracer: Opens a span for each attempt. The receiver gets none of its ids.

    Raises:
        ConfigurationError: The secret is not valid.
    """

    def __init__(
        self,
        secret: str,
        address_guard: AddressGuard,
        *,
        proxy_url: str | None = None,
        tracer: Tracer = NO_TRACES,
    ) -> None:
        if not _is_valid_secret(secret):
            raise ConfigurationError(
                "AUTOS_WEBHOOK_SECRET must be whsec_ followed by the base64 of 24 to 64 random bytes."
            )
        self._secret = secret
        self._tracer = tracer
        # Made once: reading the authorities takes up to 17 ms of CPU, which each connection would need again.
        trusted = httpcore2.default_ssl_context()
        # No keep-alive: the name is resolved and checked for each event. No limit on connections: an event must not
        # wait for the responses of other receivers.
        if proxy_url is None:
            self._pool = httpcore2.AsyncConnectionPool(
                max_keepalive_connections=0,
                max_connections=None,
                ssl_context=trusted,
                network_backend=_GuardedBackend(address_guard),
            )
        else:
            if address_guard.policy.allow_http:
                raise ConfigurationError(
                    "AUTOS_WEBHOOK_ALLOW_HTTP and AUTOS_WEBHOOK_PROXY_URL exclude each other: the proxy's own "
                    "refusals would look like the receiver's responses. Set only one of them."
                )
            address, credentials = _split_credentials(proxy_url)
            self._pool = httpcore2.AsyncHTTPProxy(
                address,
                proxy_auth=credentials,
                ssl_context=trusted,
                max_keepalive_connections=0,
                max_connections=None,
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def send(
        self, url: str, *, event_id: str, sent_at: datetime, body: bytes, secrets: Sequence[str] = ()
    ) -> Reply:
        """Post exactly the bytes that are signed. Redirects are not followed. No response status raises.

        Args:
            url: The subscriber's endpoint.
            event_id: The same at every attempt.
            sent_at: Time of this attempt, timezone-aware, in UTC.
            body: The event's JSON.
            secrets: The client's secrets. All of them sign, so that a receiver can rotate its secret. If empty, the
                deployment's secret signs.
        """
        signatures = [
            Webhook(secret).sign(event_id, sent_at, body.decode()) for secret in secrets or (self._secret,)
        ]
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "autos-webhooks/1",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        with self._tracer.start_span("webhook attempt", SpanKind.CLIENT, {"autos.event": event_id}) as span:
            reply = await self._post(url, headers, body)
            if reply.status_code is None:
                span.fail(_NO_ANSWER)
            else:
                span.set(STATUS, reply.status_code)
                if not 200 <= reply.status_code < 300:
                    span.fail(str(reply.status_code))
        return reply

    async def _post(self, url: str, headers: dict[bytes | str, bytes | str], body: bytes) -> Reply:
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_TOTAL_TIMEOUT_SECONDS):
                    response = await stack.enter_async_context(self._request("POST", url, headers, body))
            except TimeoutError:
                return Reply(error=f"no answer within {_TOTAL_TIMEOUT_SECONDS:.0f} seconds")
            except (*_CONNECTION_ERRORS, httpcore2.UnsupportedProtocol, OSError, ValueError):
                return Reply(error=_REFUSED)
            # The receiver has responded. Errors while reading the body do not change that.
            return Reply(
                status_code=response.status,
                excerpt=await _read_excerpt(response),
                retry_after=_read_retry_after(response),
            )

    async def ask_origin(self, url: str) -> Reply:
        """Ask the receiver's server for its root over the way of events. The path is not sent: it may be a secret.

        For the operator, so the error names what happened.

        Raises:
            DependencyUnavailable: The database does not answer whether there are keys.
        """
        root = urlsplit(url)._replace(path="/", query="", fragment="").geturl()
        headers: dict[bytes | str, bytes | str] = {"User-Agent": "autos-webhooks/1"}
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_TOTAL_TIMEOUT_SECONDS):
                    response = await stack.enter_async_context(self._request("HEAD", root, headers, None))
            except TimeoutError:
                return Reply(error=f"no answer within {_TOTAL_TIMEOUT_SECONDS:.0f} seconds")
            except (*_CONNECTION_ERRORS, httpcore2.UnsupportedProtocol, OSError, ValueError) as error:
                problem = find_certificate_problem(error)
                return Reply(error=type(error).__name__ if problem is None else f"certificate: {problem}")
            return Reply(status_code=response.status)

    def _request(
        self, method: str, url: str, headers: dict[bytes | str, bytes | str], body: bytes | None
    ) -> AbstractAsyncContextManager[httpcore2.Response]:
        if (host := host_header(url)) is not None:
            headers = {"Host": host, **headers}
        limit = {"connect": 10.0, "read": _TOTAL_TIMEOUT_SECONDS, "write": 10.0, "pool": 10.0}
        return self._pool.stream(method, url, headers=headers, content=body, extensions={"timeout": limit})


def host_header(url: str) -> bytes | None:
    """Return the ``Host`` header for an IPv6 address: httpcore2 omits the brackets. None for other hosts."""
    parsed = httpcore2.URL(url)
    if b":" not in parsed.host:
        return None
    if parsed.port in (None, _DEFAULT_PORTS.get(parsed.scheme)):
        return b"[%b]" % parsed.host
    return f"[{parsed.host.decode()}]:{parsed.port}".encode()


async def _read_excerpt(response: httpcore2.Response) -> str:
    """Return the beginning of a response body: what arrives in time, before the connection is lost."""
    excerpt = bytearray()
    with suppress(TimeoutError, *_CONNECTION_ERRORS):
        async with asyncio.timeout(_EXCERPT_SECONDS):
            async for chunk in response.aiter_stream():
                excerpt += chunk
                if len(excerpt) >= _EXCERPT_BYTES:
                    break
    return bytes(excerpt[:_EXCERPT_BYTES]).decode(errors="replace").replace("\0", "")


def _read_retry_after(response: httpcore2.Response) -> float | None:
    values = (value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after")
    return parse_retry_after(next(values, None), longest=_LONGEST_RETRY_AFTER_SECONDS)


def _is_valid_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return secret.startswith("whsec_") and 24 <= len(key) <= 64


def _split_credentials(proxy_url: str) -> tuple[str, tuple[str, str] | None]:
    """Split a proxy URL into the address without credentials, and the user name and password, if any."""
    parts = urlsplit(proxy_url)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to the checked addresses, so that DNS cannot change between check and connection (rebinding)."""

    def __init__(self, address_guard: AddressGuard) -> None:
        self._address_guard = address_guard
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's signature.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        if not (await self._address_guard.current_policy()).allows_port(port):
            raise httpcore2.ConnectError(_REFUSED)
        try:
            addresses = await self._address_guard.resolve(host, port)
        except NonPublicAddress:
            raise httpcore2.ConnectError(_REFUSED) from None
        failure: Exception = httpcore2.ConnectError(_REFUSED)
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
