"""Keyset pagination: from page to page, with a guard against a server whose list has no end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from autos_client.errors import UnexpectedAnswer

T_co = TypeVar("T_co", covariant=True)

# Twenty million documents.
_MAX_PAGES = 100_000
# The API leaves out of a page what a key may not see, but never returns many empty pages in a row.
_MAX_EMPTY_PAGES = 100
_MAX_CURSOR_LENGTH = 4096


class Page(Protocol[T_co]):
    """A part of a list."""

    @property
    def items(self) -> Sequence[T_co]:
        """What is on the page."""

    @property
    def next_cursor(self) -> str | None:
        """Names the next page. ``None`` on the last one."""


class PageGuard:
    """Follows the pages of one list."""

    def __init__(self) -> None:
        """Start before the first page."""
        # Hashes, so that the memory does not depend on what the server writes.
        self._seen: set[int] = set()
        self._empty = 0

    def cursor_after(self, page: Page[object]) -> str | None:
        """Return the cursor of the page after this one, or ``None`` at the end.

        Raises:
            UnexpectedAnswer: The list has no end: a cursor repeats, or too many pages are empty.
        """
        cursor = page.next_cursor
        if cursor is None:
            return None
        self._empty = 0 if page.items else self._empty + 1
        digest = hash(cursor)
        if len(cursor) > _MAX_CURSOR_LENGTH:
            raise UnexpectedAnswer("The answer is not as the API writes it: its cursor is too long.")
        if digest in self._seen:
            raise UnexpectedAnswer("The list has no end: its pages lead back to an earlier one.")
        if self._empty >= _MAX_EMPTY_PAGES or len(self._seen) >= _MAX_PAGES:
            raise UnexpectedAnswer("The list has no end: too many pages, or too many empty ones in a row.")
        self._seen.add(digest)
        return cursor
