"""Where the names in webhook addresses lead, and whether events may go there."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from domain.addresses import WebhookPolicy, check_webhook_url, is_public, not_public

# A name may take as long to look up as its owner likes, and each look-up holds a thread.
_LOOKUPS_AT_ONCE = 200
# A request does not wait for long: what is not known by then is found out when the address is called.
_LOOK_SECONDS = 2.0
_PORTS = {"https": 443, "http": 80}


class InwardDestination(Exception):
    """A name leads, be it in part, to an address that is not public."""


class Destinations:
    """Looks names up, in threads of its own: the loop's few serve the court and the store as well.

    Args:
        policy: where events may go.
        proxied: an egress proxy looks the names up, and decides; here only the form of an address is checked.
    """

    def __init__(self, policy: WebhookPolicy, *, proxied: bool = False) -> None:
        self.policy = policy
        self._proxied = proxied
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="webhook-names")

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
        """
        check_webhook_url(url, self.policy)
        if self._proxied or self.policy.allow_private:
            return url
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await self.addresses_of(parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()])
        except InwardDestination:
            raise not_public() from None
        except (OSError, ValueError):  # Not to be found, or not in time.
            pass
        return url

    async def addresses_of(self, host: str, port: int) -> list[str]:
        """The addresses that a name leads to now, every one of them checked.

        Raises:
            InwardDestination: one of them is not public, and that is not allowed.
            OSError: it leads nowhere.
            ValueError: it is no name.
        """
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        if not self.policy.allow_private and not all(is_public(ip_address(address)) for address in addresses):
            raise InwardDestination
        return addresses
