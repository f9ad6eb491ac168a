"""Following a list from page to page, up to an end that a broken server may never reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from autos_client.errors import UnexpectedAnswer

T_co = TypeVar("T_co", covariant=True)

# Twenty million documents.
_MOST_PAGES = 100_000
# The API leaves out of a page what a key may not see, but never gives many empty ones in a row.
_MOST_EMPTY_PAGES = 100
_LONGEST_CURSOR = 4096


class Page(Protocol[T_co]):
    """A part of a list."""

    @property
    def items(self) -> Sequence[T_co]:
        """What is on it."""

    @property
    def next_cursor(self) -> str | None:
        """Names the next page; None on the last one."""


class PageWalk:
    """One walk through a list."""

    def __init__(self) -> None:
        """Begin at the first page."""
        # Hashes, so that the memory does not grow by what the server writes.
        self._seen: set[int] = set()
        self._empty = 0

    def after(self, page: Page[object]) -> str | None:
        """Return the cursor of the page after this one, or None at the end.

        Raises:
            UnexpectedAnswer: the list has no end: a cursor came before, or nothing comes but empty pages.
        """
        cursor = page.next_cursor
        if cursor is None:
            return None
        self._empty = 0 if page.items else self._empty + 1
        seen = hash(cursor)
        if len(cursor) > _LONGEST_CURSOR:
            raise UnexpectedAnswer("The answer is not as the API writes it: its cursor is too long.")
        if seen in self._seen:
            raise UnexpectedAnswer("The list has no end: its pages lead back to an earlier one.")
        if self._empty >= _MOST_EMPTY_PAGES or len(self._seen) >= _MOST_PAGES:
            raise UnexpectedAnswer("The list has no end: too many pages, or too many empty ones in a row.")
        self._seen.add(seen)
        return cursor
