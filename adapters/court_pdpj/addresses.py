"""Where things are at the portal."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx

from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber

_API = "/api/v2"
_WITHIN_API = re.compile(r"/api/v[0-9]+/")
# What a server may take for the end of a segment, or for a step up, once it has decoded the path.
_MOST_DECODINGS = 3


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where the court leads a request to.

    Attributes:
        url: What to ask for next.
        with_token: Whether it is the court itself, which gets the token.
    """

    url: str
    with_token: bool


class Addresses:
    """Builds the portal's addresses.

    Args:
        origin: scheme and host of the portal, such as ``https://portaldeservicos.pdpj.jus.br``.
        allowed_hosts: other hosts, with their ports if they have any, to which a document's address may lead. The
            token goes there too, so they must be the court's own.
        storage_hosts: hosts to which the court may redirect a request for a document. The token never goes there.
    """

    def __init__(
        self, origin: str, allowed_hosts: Collection[str] = (), storage_hosts: Collection[str] = ()
    ) -> None:
        self.origin = origin.rstrip("/")
        schemes = {"https", urlsplit(self.origin).scheme}
        self._portal = _place(httpx.URL(self.origin))
        self._others = {_place(httpx.URL(f"{scheme}://{host}")) for host in allowed_hosts for scheme in schemes}
        self._storage = {_place(httpx.URL(f"{scheme}://{host}")) for host in storage_hosts for scheme in schemes}

    def details(self, number: ProcessNumber) -> str:
        """Where a process is described."""
        return f"{self.origin}{_API}/processos/{number.canonical}"

    def search(self, number: ProcessNumber) -> str:
        """Where a process is searched for by its number."""
        return f"{self.origin}{_API}/processos?numeroProcesso={number.digits}"

    def document(self, href: str) -> str:
        """Resolve the href of a document, as it will be requested.

        The portal's hrefs begin with a slash but are relative to the API's base, not to the host: joined as
        RFC 3986 says, they lead to the portal's page for browsers, which answers 200 to anything.

        Raises:
            DocumentFailure: The href leads to where the token must not go: to another host, or out of the API.
        """
        if href.startswith("/"):
            href = f"{self.origin}{href}" if href.startswith("/api/") else f"{self.origin}{_API}{href}"
        try:
            # Normalised as it is sent: steps up are taken, and what a URL cannot hold is encoded.
            url = httpx.URL(href)
        except (httpx.InvalidURL, ValueError):
            raise DocumentFailure(
                FailureCode.NO_CONTENT_ADDRESS, "The listing gives an address that cannot be asked."
            ) from None
        if not self._is_the_courts(url):
            raise DocumentFailure(
                FailureCode.FOREIGN_ADDRESS, "The listing gives an address outside the court's portal."
            )
        return str(url)

    def redirect(self, url: str, location: str) -> Redirect | None:
        """Return where a redirect leads that may be followed. None for every other one.

        Args:
            url: What was asked for.
            location: The answer's ``Location``.
        """
        try:
            target = httpx.URL(url).join(location)
        except (httpx.InvalidURL, ValueError):
            return None
        if self._is_the_courts(target):
            return Redirect(str(target), with_token=True)
        if _place(target) in self._storage and not target.userinfo and not target.fragment:
            return Redirect(str(target), with_token=False)
        return None

    def _is_the_courts(self, url: httpx.URL) -> bool:
        """Whether the token may go there."""
        path = url.raw_path.partition(b"?")[0].decode("ascii")
        if _place(url) == self._portal:
            allowed = _WITHIN_API.match(path) is not None
        else:
            allowed = _place(url) in self._others and path != "/"
        return allowed and not url.userinfo and not url.fragment and _is_plain(path)


def _place(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port, with the scheme's own port written out."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _is_plain(path: str) -> bool:
    """Whether a path means the same to every server: no step up, no other separator, however it is encoded.

    A semicolon begins a segment's parameters at Java servers, to which ``..;`` is a step up. Bytes that are no
    UTF-8 may be a dot to those that decode them leniently.
    """
    for _ in range(_MOST_DECODINGS):
        if "\\" in path or "//" in path or not path.isprintable():
            return False
        if any(segment.partition(";")[0].strip() in (".", "..") for segment in path.split("/")):
            return False
        try:
            decoded = unquote(path, errors="strict")
        except UnicodeDecodeError:
            return False
        if decoded.count("/") != path.count("/"):
            return False
        if decoded == path:
            return True
        path = decoded
    return False
