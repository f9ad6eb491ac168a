"""A DNS rebinding guard: resolves the host names of webhook addresses and checks every resolved address."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from domain.webhook_urls import (
    WebhookPolicy,
    check_webhook_url,
    embedded_ipv4,
    is_public,
    not_public_error,
    own_service_error,
)

# A lookup takes as long as the owner of the name likes, and blocks a thread.
_MAX_CONCURRENT_LOOKUPS = 200
# A request waits at most this long. A name that is not resolved by then is checked when the webhook is sent.
_LOOKUP_TIMEOUT_SECONDS = 2.0
_DEFAULT_PORTS = {"https": 443, "http": 80}


class NonPublicAddress(Exception):
    """At least one of a name's addresses is not public."""


class OwnServiceAddress(NonPublicAddress):
    """The address is a port of this service on this machine."""


class AddressGuard:
    """Resolves host names and checks their addresses against a policy.

    Lookups run in a thread pool of their own, because the event loop's default pool is small and also serves the
    court and the store.

    Args:
        policy: The addresses that webhooks may use.
        proxied: An egress proxy resolves the names and decides. Only the form of an address is checked here.
        has_keys: Returns whether an API key was ever created. Without it, private addresses are not allowed if
            ``policy.private_until_keys`` is set.
    """

    def __init__(
        self,
        policy: WebhookPolicy,
        *,
        proxied: bool = False,
        has_keys: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.policy = policy
        self._proxied = proxied
        self._has_keys = has_keys
        self._threads = ThreadPoolExecutor(_MAX_CONCURRENT_LOOKUPS, thread_name_prefix="webhook-names")

    async def current_policy(self) -> WebhookPolicy:
        """Return the policy that applies now.

        Raises:
            DependencyUnavailable: The database does not answer whether there are keys.
        """
        policy = self.policy
        if policy.allow_private and policy.private_until_keys and (not self._has_keys or await self._has_keys()):
            # Permanent: "was ever created" cannot become false again.
            policy = self.policy = replace(policy, allow_private=False)
        return policy

    def close(self) -> None:
        """Stop the thread pool and cancel pending lookups."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, url: str) -> str:
        """Check a submitted webhook address: its form, and the addresses of its name if DNS answers soon.

        A name that cannot be resolved now is accepted. It is resolved and checked again each time a webhook is
        sent.

        Returns:
            The address, unchanged.

        Raises:
            InvalidInput: The address cannot be used. The text says why.
            DependencyUnavailable: The database does not answer whether there are keys.
        """
        policy = await self.current_policy()
        check_webhook_url(url, policy)
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme.lower()]
        if self._proxied or (policy.allow_private and port not in policy.own_ports):
            return url
        try:
            async with asyncio.timeout(_LOOKUP_TIMEOUT_SECONDS):
                await self.resolve(parts.hostname or "", port)
        except OwnServiceAddress:
            raise own_service_error() from None
        except NonPublicAddress:
            raise not_public_error() from None
        except (OSError, ValueError):  # Not resolved, or not in time.
            pass
        return url

    async def resolve(self, host: str, port: int) -> list[str]:
        """Resolve a name and check each of its addresses. Connect to the returned addresses, not to the name.

        Raises:
            NonPublicAddress: One of the addresses is not public, and the policy requires it.
            OwnServiceAddress: One of the addresses is this machine's, and the port is one of the service's own.
            DependencyUnavailable: The database does not answer whether there are keys.
            OSError: The name cannot be resolved.
            ValueError: The name is not valid.
        """
        policy = await self.current_policy()
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        entries = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in entries))
        parsed = [ip_address(address) for address in addresses]
        if not policy.allow_private and not all(is_public(address) for address in parsed):
            raise NonPublicAddress
        if port in policy.own_ports and any(_is_this_machine(address) for address in parsed):
            raise OwnServiceAddress
        return addresses


def _is_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to this machine: only such addresses can be bound.

    Returns True if that cannot be determined.
    """
    if isinstance(address, IPv6Address) and (inner := embedded_ipv4(address)) is not None:
        return _is_this_machine(inner)
    if address.is_loopback or address.is_unspecified:
        return True
    try:
        with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True
