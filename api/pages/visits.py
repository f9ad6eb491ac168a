"""What a person has seen of processes: an encrypted cookie in the browser. Nothing of it is on the server.

The cookie has, for the processes that were opened last, the number of the last change that was shown. It counts
only for the key that it was written for: with another key, somebody else is at the browser.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from api.middleware.methods import is_head
from domain.clients import Client
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from adapters.security.encryption import Encryptor

COOKIE = "autos_visits"
LIFETIME_SECONDS = 180 * 86_400
# Requests with less time between them are one visit: reloading a page or opening another tab keeps the news.
VISIT_GAP_MINUTES = 30
# A browser refuses cookies above 4,096 bytes. Encrypted, this is below 3,800: some sixty processes.
_MAX_CHARACTERS = 2_700
_KIND = "visits"


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of a process's page. Times are minutes since 1970.

    Attributes:
        known: The number of the last change that was shown before this visit.
        known_at: When the visit before it ended. For the first visit, when it began.
        seen: The number of the last change at this visit's last request.
        seen_at: When that was.
    """

    known: int
    known_at: int
    seen: int
    seen_at: int

    @property
    def since(self) -> datetime:
        """Since when changes are new."""
        return datetime.fromtimestamp(self.known_at * 60, UTC)


class Visits:
    """Reads and writes the cookie.

    Args:
        encryptor: Encrypts the cookies. None means that nothing is remembered.
        public_url: Where browsers reach the API. With https, the cookie is sent over https only.
    """

    def __init__(self, encryptor: Encryptor | None, public_url: str) -> None:
        self._encryptor = encryptor
        self._secure = urlsplit(public_url).scheme == "https"

    def visit(self, request: Request, client: Client, number: str, last: int) -> Visit:
        """Return the visit that a request for a process's page belongs to. The first one knows all changes.

        Args:
            request: The request.
            client: The client that sent it.
            number: The process.
            last: The number of the process's last change.
        """
        now = _minutes()
        visit = self._read(request, client).get(number)
        # With fewer changes than before, the log is another one: erased and requested again, or from a backup.
        if visit is None or visit.seen > last:
            return Visit(last, now, last, now)
        if now - visit.seen_at > VISIT_GAP_MINUTES:
            return Visit(visit.seen, visit.seen_at, last, now)
        return Visit(visit.known, visit.known_at, last, now)

    def remember(self, request: Request, response: Response, client: Client, number: str, visit: Visit) -> None:
        """Write the cookie if the visit has changed since it was written."""
        visits = self._read(request, client)
        # What a browser fetches in advance has not been seen.
        is_seen = not is_head(request) and "prefetch" not in request.headers.get("sec-purpose", "")
        if self._encryptor is None or not is_seen or visits.get(number) == visit:
            return
        response.set_cookie(
            COOKIE,
            self._encryptor.encrypt(_write(client, {number: visit, **_without(visits, number)})),
            max_age=LIFETIME_SECONDS,
            path="/",
            secure=self._secure,
            httponly=True,
            # Not strict: a link from elsewhere would open the page without the cookie, which would then begin anew.
            samesite="lax",
        )

    def last_seen(self, request: Request, client: Client) -> Mapping[str, int]:
        """Return the number of the last change that was shown of each process in the cookie."""
        return {number: visit.seen for number, visit in self._read(request, client).items()}

    def _read(self, request: Request, client: Client) -> dict[str, Visit]:
        cookie = request.cookies.get(COOKIE)
        if self._encryptor is None or not cookie:
            return {}
        try:
            content = json.loads(self._encryptor.decrypt(cookie))
        except (ConfigurationError, ValueError):
            # Not ours, or encrypted with a key that was removed: the same as no cookie.
            return {}
        if not isinstance(content, dict) or content.get("kind") != _KIND or content["of"] != _owner(client):
            return {}
        return {number: Visit(*numbers) for number, *numbers in content["visits"]}


def _write(client: Client, visits: Mapping[str, Visit]) -> str:
    """Return the cookie's text with as many of the visits as it may have, in their order."""
    kept: list[list[Any]] = []
    content = {"kind": _KIND, "of": _owner(client), "visits": kept}
    length = len(json.dumps(content, separators=(",", ":")))
    for number, visit in visits.items():
        row = [number, visit.known, visit.known_at, visit.seen, visit.seen_at]
        length += len(json.dumps(row, separators=(",", ":"))) + 1
        if length > _MAX_CHARACTERS:
            break
        kept.append(row)
    return json.dumps(content, separators=(",", ":"))


def _without(visits: Mapping[str, Visit], number: str) -> dict[str, Visit]:
    return {each: visit for each, visit in visits.items() if each != number}


def _owner(client: Client) -> str:
    return f"{client.name}/{client.key_id or ''}"


def _minutes() -> int:
    return int(time.time()) // 60
