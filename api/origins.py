"""Which page a browser's request comes from, and under which name this API was reached.

One function decides for the whole API: without keys it keeps foreign pages out, and with a session it keeps them
from acting in the name of who has signed in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

# The names that browsers and programs write for this machine. For a page's origin they are one.
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# RFC 9110's uri-host and port, without what no name of ours has: user, percent-encoding, other characters.
_AUTHORITY = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{1,40})\]|(?P<name>[0-9A-Za-z.-]{1,253}))(?::(?P<port>[0-9]{1,5}))?"
)


class Sender(Enum):
    """What sent a request."""

    OWN_PAGE = "a page of this API"
    PERSON = "a person, who typed or opened the address"
    PROGRAM = "a program, or a browser too old to say"
    FOREIGN_PAGE = "a page of another origin, or something that does not say it as browsers do"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where pages come from: scheme, name and port, in the form in which two of them can be compared."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin | None:
        """Return the origin that a browser or a setting writes as a URL without a path, or None."""
        scheme, separator, authority = text.partition("://")
        return cls.of(scheme.lower(), authority) if separator else None

    @classmethod
    def of(cls, scheme: str, authority: str) -> Origin | None:
        """Return the origin of ``host[:port]``, read strictly, or None if it is anything else."""
        found = _AUTHORITY.fullmatch(authority)
        if found is None or scheme not in _DEFAULT_PORTS:
            return None
        port = int(found["port"]) if found["port"] else _DEFAULT_PORTS[scheme]
        if not 1 <= port <= 65_535:
            return None
        return cls(scheme, (found["v6"] or found["name"]).lower(), port)

    def is_same_as(self, other: Origin) -> bool:
        """Tell whether both are one page's origin; this machine's names count as one."""
        same_host = self.host == other.host or {self.host, other.host} <= _LOOPBACK
        return same_host and (self.scheme, self.port) == (other.scheme, other.port)


class Origins:
    """Knows this API's own names.

    Args:
        public_url: where clients reach the API.
    """

    def __init__(self, public_url: str) -> None:
        parts = urlsplit(public_url)
        self._public = Origin.of(parts.scheme, parts.netloc)
        self._names = _LOOPBACK | ({self._public.host} if self._public else set())

    def is_own_name(self, request: Request) -> bool:
        """Tell whether the request has one ``Host``, and it is this machine or the API's public name.

        A page elsewhere can have its own name lead to this machine (DNS rebinding); its browser still sends that
        name.
        """
        asked = _asked_of(request)
        return asked is not None and asked.host in self._names

    def sender(self, request: Request) -> Sender:
        """Tell what sent a request, by the headers that browsers add and pages cannot change."""
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
        found = Origin.parse(origin)
        if found is None:
            return False
        own = (_asked_of(request), self._public)
        return any(each is not None and found.is_same_as(each) for each in own)


def _asked_of(request: Request) -> Origin | None:
    """Return the origin that the request's only ``Host`` names, or None."""
    hosts = request.headers.getlist("host")
    return Origin.of(request.scope.get("scheme", "http"), hosts[0]) if len(hosts) == 1 else None
