"""Where things are at the portal."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from urllib.parse import urlsplit

from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber

_API = "/api/v2"


class Addresses:
    """Builds the portal's addresses.

    Args:
        origin: scheme and host of the portal, such as ``https://portaldeservicos.pdpj.jus.br``.
        allowed_hosts: other hosts, with their ports if they have any, to which a document's address may lead. The
            token goes there too, so they must be the court's own.
    """

    def __init__(self, origin: str, allowed_hosts: Collection[str] = ()) -> None:
        self.origin = origin.rstrip("/")
        scheme = urlsplit(self.origin).scheme
        schemes = {"https", scheme}
        self._allowed = (
            f"{self.origin}/",
            *(f"{each}://{host.lower()}/" for host in allowed_hosts for each in schemes),
        )

    def details(self, number: ProcessNumber) -> str:
        """Where a process is described."""
        return f"{self.origin}{_API}/processos/{number.canonical}"

    def search(self, number: ProcessNumber) -> str:
        """Where a process is searched for by its number."""
        return f"{self.origin}{_API}/processos?numeroProcesso={number.digits}"

    def document(self, href: str) -> str:
        """Resolve the href of a document.

        The portal's hrefs begin with a slash but are relative to the API's base, not to the host: joined as
        RFC 3986 says, they lead to the portal's page for browsers, which answers 200 to anything.

        Raises:
            DocumentFailure: the href leads to a host to which the token must not go.
        """
        if href.startswith("/") and not href.startswith("//"):
            return f"{self.origin}{href}" if href.startswith("/api/") else f"{self.origin}{_API}{href}"
        with suppress(ValueError):
            parts = urlsplit(href)
            # Compared as written, too: what parsers read differently, and none should, is refused.
            begin = f"{parts.scheme}://{parts.netloc}/"
            if begin.lower() in self._allowed and href.startswith(begin):
                return href
        raise DocumentFailure(
            FailureCode.FOREIGN_ADDRESS, "The listing gives an address outside the court's portal."
        )
