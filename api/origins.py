"""Cross-origin checks: which page a browser's request is from, and the host name that it used.

The same checks protect a deployment without keys from web pages (cross-origin requests, DNS rebinding), and a
session from cross-site request forgery.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

# The names of this machine in browsers and programs. Page origins with any of them count as the same.
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 9110's uri-host and port, without user, percent-encoding and other characters that our names never have.
_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})\]|(?P<name>[0-9A-Za-z.-]{1,253}))(?::(?P<port>[0-9]{1,5}))?"
)


class Sender(Enum):
    """The sender of a request."""

    OWN_PAGE = "a page of this API"
    PERSON = "a person who typed the URL or opened a bookmark"
    PROGRAM = "a program, or a browser too old to send the headers"
    FOREIGN_PAGE = "a page of another origin, or a sender whose headers are not those of a browser"


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin: scheme, host and port, normalized for comparison."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Parse an origin, which is a URL without a path. None if it is anything else."""
        scheme, separator, authority = text.partition("://")
        return cls.of(scheme.lower(), authority) if separator else None

    @classmethod
    def of(cls, scheme: str, authority: str) -> Origin | None:
        """Return the origin of ``host[:port]``, parsed strictly. None if it is anything else."""
        match = _AUTHORITY.fullmatch(authority)
        if match is None or scheme not in _DEFAULT_PORTS:
            return None
        port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
        if not 1 <= port <= 65_535:
            return None
        return cls(scheme, (match["v6"] or match["name"]).lower(), port)

    def __str__(self) -> str:
        """Return the origin as browsers write it in ``Origin``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")

    def is_same_as(self, other: Origin) -> bool:
        """Return whether both are the same origin. All names of this machine count as one."""
        same_host = self.host == other.host or {self.host, other.host} <= _LOOPBACK
        return same_host and (self.scheme, self.port) == (other.scheme, other.port)


class Origins:
    """The names of this API.

    Args:
        public_url: Where clients reach the API.
    """

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._public = Origin.of(parts.scheme, parts.netloc)
        self._names = _LOOPBACK | ({self._public.host} if self._public else set())

    def is_own_name(self, request: Request) -> bool:
        """Return whether the request has exactly one ``Host``, which is this machine or the API's public name.

        A foreign page can resolve its own name to this machine (DNS rebinding), but its browser still sends that
        name.
        """
        origin = _requested_origin(request)
        return origin is not None and origin.host in self._names

    def is_own_url(self, request: Request, url: str) -> bool:
        """Return whether a URL has the origin of this API, or one that cannot be told from it.

        What a browser shows from there could act as one of our pages.
        """
        parts = urlsplit(url)
        origin = Origin.of(parts.scheme.lower(), parts.netloc)
        return origin is None or self._is_own(request, origin)

    def sender(self, request: Request) -> Sender:
        """Return the sender of a request, by headers that browsers add and pages cannot change."""
        sites, origins = request.headers.getlist("sec-fetch-site"), request.headers.getlist("origin")
        if origins and not (len(origins) == 1 and self._is_own_origin(request, origins[0])):
            return Sender.FOREIGN_PAGE
        match sites:
            case []:
                return Sender.OWN_PAGE if origins else Sender.PROGRAM
            case ["same-origin"]:
                return Sender.OWN_PAGE
            case ["none"]:
                return Sender.PERSON
            case _:
                return Sender.FOREIGN_PAGE

    def _is_own_origin(self, request: Request, origin: str) -> bool:
        parsed = Origin.parse(origin)
        return parsed is not None and self._is_own(request, parsed)

    def _is_own(self, request: Request, origin: Origin) -> bool:
        own_origins = (_requested_origin(request), self._public)
        return any(own is not None and origin.is_same_as(own) for own in own_origins)


def _requested_origin(request: Request) -> Origin | None:
    """Return the origin in the request's ``Host``, or None if it has not exactly one valid ``Host``."""
    hosts = request.headers.getlist("host")
    return Origin.of(request.scope.get("scheme", "http"), hosts[0]) if len(hosts) == 1 else None
