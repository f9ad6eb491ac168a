"""Sending webhooks: signed by ``standardwebhooks``, over httpcore, to public addresses only."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import httpcore
from standardwebhooks import Webhook

from adapters.webhooks.destinations import Destinations, InwardDestination
from domain.errors import ConfigurationError
from domain.retry_after import parse_retry_after

_TOTAL_TIMEOUT_SECONDS = 15.0
# For the beginning of the body, once the status is known.
_EXCERPT_SECONDS = 2.0
_EXCERPT_BYTES = 4096
# As long as the published schedule's own longest wait.
_LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0
_LOST = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpcore.TimeoutException)
_DEFAULT_PORTS = {b"http": 80, b"https": 443}
_REFUSED = "destination refused or unreachable"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered.

    Attributes:
        status_code: none if there was no answer.
        excerpt: the beginning of the answer's body.
        error: why there was no answer, in words that do not tell an open port from a closed one.
        retry_after: seconds that the receiver asked us to wait.
    """

    status_code: int | None = None
    excerpt: str | None = None
    error: str | None = None
    retry_after: float | None = None


class WebhookSender:
    """Signs and posts events.

    Args:
        secret: the deployment's own, for clients that have none: ``whsec_`` and the base64 of 24 to 64 bytes.
        destinations: where events may go.
        proxy_url: an egress proxy, which then decides what may be reached; without one, every address is checked
            here before it is connected to.

    Raises:
        ConfigurationError: the secret is not one.
    """

    def __init__(self, secret: str, destinations: Destinations, *, proxy_url: str | None = None) -> None:
        if not _is_secret(secret):
            raise ConfigurationError(
                "AUTOS_WEBHOOK_SECRET must be whsec_ followed by the base64 of 24 to 64 random bytes."
            )
        self._secret = secret
        # A connection per event: where a name leads is checked anew each time. As many as the worker sends at once:
        # an event must not wait for the answers of others' receivers.
        if proxy_url is None:
            self._pool = httpcore.AsyncConnectionPool(
                max_keepalive_connections=0, max_connections=None, network_backend=_GuardedBackend(destinations)
            )
        else:
            if destinations.policy.allow_http:
                raise ConfigurationError(
                    "AUTOS_WEBHOOK_ALLOW_HTTP and AUTOS_WEBHOOK_PROXY_URL exclude each other: the proxy's own "
                    "refusals would look like the receiver's answers. Leave one of them out."
                )
            address, user = _without_user(proxy_url)
            self._pool = httpcore.AsyncHTTPProxy(
                address, proxy_auth=user, max_keepalive_connections=0, max_connections=None
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def send(
        self, url: str, *, event_id: str, sent_at: datetime, body: bytes, secrets: Sequence[str] = ()
    ) -> Reply:
        """Post the very bytes that are signed. Redirects are not followed; nothing is raised for a bad answer.

        Args:
            url: the subscriber's address.
            event_id: the same at every attempt.
            sent_at: the moment of this attempt, aware, in UTC.
            body: the event's JSON.
            secrets: the client's; each signs, so that a receiver can change from one to the next. The
                deployment's own signs for a client without any.
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
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(_TOTAL_TIMEOUT_SECONDS):
                    response = await stack.enter_async_context(self._post(url, headers, body))
            except TimeoutError:
                return Reply(error=f"no answer within {_TOTAL_TIMEOUT_SECONDS:.0f} seconds")
            except (*_LOST, httpcore.UnsupportedProtocol, OSError, ValueError):
                return Reply(error=_REFUSED)
            # From here on there is an answer, whatever becomes of its body.
            return Reply(
                status_code=response.status,
                excerpt=await _excerpt(response),
                retry_after=_retry_after(response),
            )

    def _post(
        self, url: str, headers: dict[bytes | str, bytes | str], body: bytes
    ) -> AbstractAsyncContextManager[httpcore.Response]:
        if (host := host_of(url)) is not None:
            headers = {"Host": host, **headers}
        limit = {"connect": 10.0, "read": _TOTAL_TIMEOUT_SECONDS, "write": 10.0, "pool": 10.0}
        return self._pool.stream("POST", url, headers=headers, content=body, extensions={"timeout": limit})


def host_of(url: str) -> bytes | None:
    """Return the ``Host`` of an IPv6 address, whose brackets httpcore leaves out. None for other hosts."""
    parsed = httpcore.URL(url)
    if b":" not in parsed.host:
        return None
    if parsed.port in (None, _DEFAULT_PORTS.get(parsed.scheme)):
        return b"[%b]" % parsed.host
    return f"[{parsed.host.decode()}]:{parsed.port}".encode()


async def _excerpt(response: httpcore.Response) -> str:
    """Return the beginning of an answer's body: as much as comes soon, before it breaks off."""
    excerpt = bytearray()
    with suppress(TimeoutError, *_LOST):
        async with asyncio.timeout(_EXCERPT_SECONDS):
            async for chunk in response.aiter_stream():
                excerpt += chunk
                if len(excerpt) >= _EXCERPT_BYTES:
                    break
    return bytes(excerpt[:_EXCERPT_BYTES]).decode(errors="replace").replace("\0", "")


def _retry_after(response: httpcore.Response) -> float | None:
    values = (value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after")
    return parse_retry_after(next(values, None), longest=_LONGEST_RETRY_AFTER_SECONDS)


def _is_secret(secret: str) -> bool:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return secret.startswith("whsec_") and 24 <= len(key) <= 64


def _without_user(proxy_url: str) -> tuple[str, tuple[str, str] | None]:
    """A proxy's address, and the name and password that stand in it."""
    parts = urlsplit(proxy_url)
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return address, None
    return address, (unquote(parts.username), unquote(parts.password or ""))


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only, so that a name cannot change its mind between check and connection."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if not (await self._destinations.policy_now()).allows_port(port):
            raise httpcore.ConnectError(_REFUSED)
        try:
            addresses = await self._destinations.addresses_of(host, port)
        except InwardDestination:
            raise httpcore.ConnectError(_REFUSED) from None
        failure: Exception = httpcore.ConnectError(_REFUSED)
        for address in addresses:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
