"""What a client prefers: the headers ``Prefer`` (RFC 7240; unknown preferences are ignored) and ``Accept``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request

MAX_WAIT_SECONDS = 30

_Result = TypeVar("_Result")

# The text between two commas that are not inside a quoted string.
_MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word for a name.
# No two adjacent parts match the same blanks, so that the time to parse grows only linearly with the header.
_PREFERENCE = re.compile(rf'({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*)?)?(?:;.*)?')
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preferences of a client that this service supports.

    Attributes:
        wait: For how many seconds the answer may be held, at most ``MAX_WAIT_SECONDS``. None if not given.
    """

    wait: int | None = None

    @classmethod
    def parse(cls, values: Iterable[str]) -> Preferences:
        """Parse all ``Prefer`` headers of a request. The first of two values for a preference counts."""
        preferences: dict[str, str] = {}
        for member in _MEMBER.findall(",".join(values)):
            preference = _PREFERENCE.fullmatch(member.strip(" \t"))
            if preference is not None:
                preferences.setdefault(preference[1].lower(), _unquote(preference[2] or ""))
        return cls(_parse_seconds(preferences.get("wait")))

    @property
    def response_headers(self) -> dict[str, str]:
        """The headers of an answer that depends on ``wait``."""
        applied = {} if self.wait is None else {"Preference-Applied": f"wait={self.wait}"}
        return {"Vary": "Prefer", **applied}


def _unquote(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _parse_seconds(word: str | None) -> int | None:
    if word is None or not (word.isascii() and word.isdigit()):
        return None
    digits = word.lstrip("0") or "0"
    # Python refuses to convert a number of thousands of digits.
    return MAX_WAIT_SECONDS if len(digits) > 3 else min(int(digits), MAX_WAIT_SECONDS)


async def _parse_preferences(
    request: Request,
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=N` holds the answer until something changes, for at most N seconds "
            f"(up to {MAX_WAIT_SECONDS}). Unknown preferences are ignored."
        ),
    ] = None,
) -> Preferences:
    # The header may be sent in several lines.
    return Preferences.parse(request.headers.getlist("prefer"))


def preferred_media_type(accept: str | None, offers: Sequence[str]) -> str:
    """Return the offer with the highest weight in ``Accept``. The first one of several, or of none."""
    weights: dict[str, float] = {}
    for item in (accept or "*/*").lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        weight = next((word[2:] for word in parameters if word.startswith("q=")), "1")
        weights[media_range] = float(weight) if _WEIGHT.fullmatch(weight) else 0.0

    def weight_of(offer: str) -> float:
        ranges = (offer, f"{offer.partition('/')[0]}/*", "*/*")
        return next((weights[media_range] for media_range in ranges if media_range in weights), 0.0)

    return max(offers, key=weight_of)


Preferred = Annotated[Preferences, Depends(_parse_preferences)]


async def while_connected(request: Request, waiting: Coroutine[Any, Any, _Result]) -> _Result | None:
    """Run a coroutine, and cancel it if the client disconnects. Returns None in that case.

    Without this, a route runs to its end after its client has disconnected. The request's body must have been read.
    """
    waiter, watcher = asyncio.create_task(waiting), asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait((waiter, watcher), return_when=asyncio.FIRST_COMPLETED)
        return waiter.result() if waiter.done() else None
    finally:
        waiter.cancel()
        watcher.cancel()
        await asyncio.gather(waiter, watcher, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
