"""What clients prefer: the header ``Prefer`` (RFC 7240). What is not understood of it is ignored."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Request

LONGEST_WAIT_SECONDS = 30

_Found = TypeVar("_Found")

# What stands between two commas, or two semicolons, that are not inside a quoted string.
_MEMBER = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110's word for a name.
# No blanks that could be shared out in several ways: reading must not take longer than the header is long.
_PREFERENCE = re.compile(rf'({_TOKEN})[ \t]*(?:=[ \t]*(?:({_TOKEN}|"(?:[^"\\]|\\.)*")[ \t]*)?)?(?:;.*)?')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a client prefers, of what this service knows.

    Attributes:
        wait: how many seconds the answer may be held for something to happen, at most ``LONGEST_WAIT_SECONDS``;
            none if the client does not say.
        respond_async: whether the client would rather not wait at all.
    """

    wait: int | None = None
    respond_async: bool = False

    @classmethod
    def parse(cls, values: Iterable[str]) -> Preferences:
        """Read every ``Prefer`` header of a request. The first of two that contradict each other counts."""
        stated: dict[str, str] = {}
        for member in _MEMBER.findall(",".join(values)):
            preference = _PREFERENCE.fullmatch(member.strip(" \t"))
            if preference is not None:
                stated.setdefault(preference[1].lower(), _unquoted(preference[2] or ""))
        return cls(_seconds(stated.get("wait")), "respond-async" in stated)

    @property
    def applied(self) -> dict[str, str]:
        """The headers of an answer that depends on ``wait``."""
        applied = {} if self.wait is None else {"Preference-Applied": f"wait={self.wait}"}
        return {"Vary": "Prefer", **applied}


def _unquoted(word: str) -> str:
    return _ESCAPED.sub(r"\1", word[1:-1]) if word.startswith('"') else word


def _seconds(word: str | None) -> int | None:
    if word is None or not (word.isascii() and word.isdigit()):
        return None
    digits = word.lstrip("0") or "0"
    # Python refuses to read a number of thousands of digits.
    return LONGEST_WAIT_SECONDS if len(digits) > 3 else min(int(digits), LONGEST_WAIT_SECONDS)


async def _preferences(
    request: Request,
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=N` holds the answer until there is news, N seconds at most "
            f"(N up to {LONGEST_WAIT_SECONDS}). What is not understood is ignored."
        ),
    ] = None,
) -> Preferences:
    # A header may come in several lines.
    return Preferences.parse(request.headers.getlist("prefer"))


Preferred = Annotated[Preferences, Depends(_preferences)]


async def while_connected(request: Request, waiting: Coroutine[Any, Any, _Found]) -> _Found | None:
    """Wait for something for as long as the client does; none if it has gone.

    Nothing else tells: a route runs on to its end when its client has left. The request's body must have been read.
    """
    waiter, gone = asyncio.create_task(waiting), asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((waiter, gone), return_when=asyncio.FIRST_COMPLETED)
        return waiter.result() if waiter.done() else None
    finally:
        waiter.cancel()
        gone.cancel()
        await asyncio.gather(waiter, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
