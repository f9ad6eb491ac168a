"""The portal's URLs, and the check of where the token may go."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx2

from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber

_API = "/api/v2"
_WITHIN_API = re.compile(r"/api/v[0-9]+/")
# How often a path is decoded to see whether a server may find a `..` or a separator in it.
_MAX_DECODINGS = 3


@dataclass(frozen=True, slots=True)
class Redirect:
    """The target of a redirect that may be followed.

    Attributes:
        url: The URL to request next.
        with_token: Whether the token goes there: True for the court itself.
    """

    url: str
    with_token: bool


class CourtUrls:
    """Builds the portal's URLs, and resolves those that the portal sends.

    Args:
        origin: Scheme and host of the portal, such as ``https://portaldeservicos.pdpj.jus.br``.
        allowed_hosts: Other hosts, with their ports if they have any, to which a document's URL may lead. The token
            goes there too, so they must be the court's own.
        storage_hosts: Hosts to which the court may redirect a request for a document. The token never goes there.
    """

    def __init__(
        self, origin: str, allowed_hosts: Collection[str] = (), storage_hosts: Collection[str] = ()
    ) -> None:
        self.origin = origin.rstrip("/")
        schemes = {"https", urlsplit(self.origin).scheme}
        self._portal_origin = _origin_of(httpx2.URL(self.origin))
        self._allowed_origins = {
            _origin_of(httpx2.URL(f"{scheme}://{host}")) for host in allowed_hosts for scheme in schemes
        }
        self._storage_origins = {
            _origin_of(httpx2.URL(f"{scheme}://{host}")) for host in storage_hosts for scheme in schemes
        }

    def details_url(self, number: ProcessNumber) -> str:
        """Return the URL of a process's details."""
        return f"{self.origin}{_API}/processos/{number.canonical}"

    def search_url(self, number: ProcessNumber) -> str:
        """Return the URL that searches for a process by its number."""
        return f"{self.origin}{_API}/processos?numeroProcesso={number.digits}"

    def resolve_document(self, href: str) -> str:
        """Return the URL to request for a document's href.

        The portal's hrefs begin with a slash but are relative to the API's base, not to the host. Joined as
        RFC 3986 says, they lead to the portal's page for browsers, which answers 200 to anything.

        Raises:
            DocumentFailure: The href leads to where the token must not go: to another host, or out of the API.
        """
        if href.startswith("/"):
            href = f"{self.origin}{href}" if href.startswith("/api/") else f"{self.origin}{_API}{href}"
        try:
            # httpx2 normalizes the URL as it will be sent: it resolves `..` and encodes what a URL cannot contain.
            url = httpx2.URL(href)
        except (httpx2.InvalidURL, ValueError):
            raise DocumentFailure(
                FailureCode.NO_CONTENT_ADDRESS, "The listing gives an address that cannot be asked."
            ) from None
        if not self._may_get_token(url):
            raise DocumentFailure(
                FailureCode.FOREIGN_ADDRESS, "The listing gives an address outside the court's portal."
            )
        return str(url)

    def resolve_redirect(self, url: str, location: str) -> Redirect | None:
        """Return the target of a redirect. None if it must not be followed.

        Args:
            url: The requested URL.
            location: The response's ``Location``.
        """
        try:
            target = httpx2.URL(url).join(location)
        except (httpx2.InvalidURL, ValueError):
            return None
        if self._may_get_token(target):
            return Redirect(str(target), with_token=True)
        if _origin_of(target) in self._storage_origins and not target.userinfo and not target.fragment:
            return Redirect(str(target), with_token=False)
        return None

    def _may_get_token(self, url: httpx2.URL) -> bool:
        """Return whether the token may be sent to a URL."""
        path = url.raw_path.partition(b"?")[0].decode("ascii")
        if _origin_of(url) == self._portal_origin:
            allowed = _WITHIN_API.match(path) is not None
        else:
            allowed = _origin_of(url) in self._allowed_origins and path != "/"
        return allowed and not url.userinfo and not url.fragment and _is_unambiguous(path)


def _origin_of(url: httpx2.URL) -> tuple[str, bytes, int | None]:
    """Return scheme, host and port: the host as DNS has it, and the scheme's default port filled in."""
    return url.scheme, url.raw_host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _is_unambiguous(path: str) -> bool:
    """Return whether a path means the same to every server: no ``..`` and no other separator, however encoded.

    At Java servers a semicolon begins a segment's parameters, so that ``..;`` means ``..``. Bytes that are not
    valid UTF-8 may become a dot at servers that decode them leniently.
    """
    for _ in range(_MAX_DECODINGS):
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
