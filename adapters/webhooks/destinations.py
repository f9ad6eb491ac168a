"""Where the names in webhook addresses lead, and whether events may go there."""

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

from domain.addresses import (
    WebhookPolicy,
    check_webhook_url,
    embedded_ipv4,
    is_public,
    not_public,
    own_service,
)

# A name may take as long to look up as its owner likes, and each look-up holds a thread.
_LOOKUPS_AT_ONCE = 200
# A request does not wait for long: what is not known by then is found out when the address is called.
_LOOK_SECONDS = 2.0
_PORTS = {"https": 443, "http": 80}


class InwardDestination(Exception):
    """A name leads, be it in part, to an address that is not public."""


class OwnService(InwardDestination):
    """A name leads to a port of this service on this machine."""


class Destinations:
    """Looks names up, in threads of its own: the loop's few serve the court and the store as well.

    Args:
        policy: where events may go.
        proxied: an egress proxy looks the names up, and decides; here only the form of an address is checked.
        any_keys: tells whether an API key was ever created. Without it, ``policy.private_until_keys`` allows
            nothing.
    """

    def __init__(
        self,
        policy: WebhookPolicy,
        *,
        proxied: bool = False,
        any_keys: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.policy = policy
        self._proxied = proxied
        self._any_keys = any_keys
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="webhook-names")

    async def policy_now(self) -> WebhookPolicy:
        """Return the policy as it holds at this moment.

        Raises:
            DependencyUnavailable: the database does not say whether there are keys.
        """
        policy = self.policy
        if policy.allow_private and policy.private_until_keys and (not self._any_keys or await self._any_keys()):
            # A key that was created stays created.
            policy = self.policy = replace(policy, allow_private=False)
        return policy

    def close(self) -> None:
        """Look nothing more up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, url: str) -> str:
        """Check an address before anything is started: its form, and where its name leads, if that is soon known.

        A name that does not lead anywhere at this moment is no reason to refuse it: it is looked up again, and all
        that it leads to is checked again, each time the address is called.

        Returns:
            The address, unchanged.

        Raises:
            InvalidInput: it cannot be used; the text says why.
            DependencyUnavailable: the database does not say whether there are keys.
        """
        policy = await self.policy_now()
        check_webhook_url(url, policy)
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme.lower()]
        if self._proxied or (policy.allow_private and port not in policy.own_ports):
            return url
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self.addresses_of(parts.hostname or "", port)
        except OwnService:
            raise own_service() from None
        except InwardDestination:
            raise not_public() from None
        except (OSError, ValueError):  # Not to be found, or not in time.
            pass
        return url

    async def addresses_of(self, host: str, port: int) -> list[str]:
        """The addresses that a name leads to now, every one of them checked.

        Raises:
            InwardDestination: one of them is not public, and that is not allowed.
            OwnService: one of them is this machine's, and the port is the service's own.
            DependencyUnavailable: the database does not say whether there are keys.
            OSError: it leads nowhere.
            ValueError: it is no name.
        """
        policy = await self.policy_now()
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        parsed = [ip_address(address) for address in addresses]
        if not policy.allow_private and not all(is_public(address) for address in parsed):
            raise InwardDestination
        if port in policy.own_ports and any(_is_this_machine(address) for address in parsed):
            raise OwnService
        return addresses


def _is_this_machine(address: IPv4Address | IPv6Address) -> bool:
    """Return whether a connection to this address ends on this machine: only such addresses can be bound to.

    True when that cannot be told.
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
