"""Keyset pagination: opaque cursors, and the URLs of pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from domain.cases import TimelineKey
from domain.errors import InvalidInput

Key = TypeVar("Key")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_POSITION = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CursorCodec(Generic[Key]):
    """Encodes the sort key of a page's last row as a cursor, which is opaque to clients.

    Attributes:
        pattern: Matches the text inside the cursor. Its first letter names the list, so that the cursor of another
            list is refused. A new format for the same list would get another letter.
        write: Returns that text for a key.
        read: Returns the key for the pattern's groups. Raises `ValueError` if there is no such key.
    """

    pattern: re.Pattern[str]
    write: Callable[[Key], str]
    read: Callable[..., Key]

    def encode(self, key: Key) -> str:
        """Return the cursor of the page that begins after this key."""
        return _to_base64(self.write(key))

    def decode(self, cursor: str | None) -> Key | None:
        """Return the key after which the page begins. None for the first page.

        Raises:
            InvalidInput: This codec has not written the cursor.
        """
        if cursor is None:
            return None
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
            match = self.pattern.fullmatch(text)
            # Several base64 texts decode to the same bytes: only the one that was handed out is valid.
            if match is None or _to_base64(text) != cursor:
                raise ValueError
            return self.read(*match.groups())
        except ValueError:
            raise InvalidInput(
                "The cursor is not from this list. Start again without a cursor.",
                code="invalid_cursor",
                field="cursor",
            ) from None


def page_url(path: str, parameters: Mapping[str, object]) -> str:
    """Return the URL of a page. Parameters that are None are left out."""
    return f"{path}?{urlencode({name: value for name, value in parameters.items() if value is not None})}"


def link_next(response: Response, url: str | None) -> None:
    """Set the header ``Link`` (RFC 8288) to the next page. No header on the last page."""
    if url is not None:
        response.headers["Link"] = f'<{url}>; rel="next"'


def _to_base64(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_position(digits: str) -> int:
    position = int(digits)
    if position > _MAX_POSITION:
        raise ValueError
    return position


def _to_microseconds(moment: datetime) -> int:
    # A float of seconds would lose the last digits, and a page would miss some rows.
    return (moment - _EPOCH) // timedelta.resolution


def _from_microseconds(digits: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(digits))


# A document's position in its process, or a delivery's number.
POSITION_CURSOR: CursorCodec[int] = CursorCodec(
    re.compile(r"p([0-9]{1,10})"),
    write=lambda position: f"p{position}",
    read=_read_position,
)
# The position of the last document of a page, and the digest of the search that the page belongs to.
SEARCH_CURSOR: CursorCodec[tuple[int, str]] = CursorCodec(
    re.compile(r"s([0-9]{1,10})/([0-9a-f]{16})"),
    write=lambda key: f"s{key[0]}/{key[1]}",
    read=lambda position, digest: (_read_position(position), digest),
)
# When the process became known, and its number.
PROCESS_CURSOR: CursorCodec[tuple[datetime, str]] = CursorCodec(
    re.compile(r"c([0-9]{1,17})/([0-9.-]{25})"),
    write=lambda key: f"c{_to_microseconds(key[0])}/{key[1]}",
    read=lambda moment, number: (_from_microseconds(moment), number),
)
# When the batch was created, and its id.
BATCH_CURSOR: CursorCodec[tuple[datetime, str]] = CursorCodec(
    re.compile(r"b([0-9]{1,17})/([0-9a-f]{32})"),
    write=lambda key: f"b{_to_microseconds(key[0])}/{key[1]}",
    read=lambda moment, batch_id: (_from_microseconds(moment), batch_id),
)
# When it failed, the process's number, and the document's id; an empty id is the process's own failure.
FAILURE_CURSOR: CursorCodec[tuple[datetime, str, str]] = CursorCodec(
    re.compile(r"f([0-9]{1,17})/([0-9.-]{25})/([0-9a-f-]{36}|)"),
    write=lambda key: f"f{_to_microseconds(key[0])}/{key[1]}/{key[2]}",
    read=lambda moment, number, document_id: (_from_microseconds(moment), number, document_id),
)
# When it happened, and its number in the trail.
ACCESS_CURSOR: CursorCodec[tuple[datetime, int]] = CursorCodec(
    re.compile(r"a([0-9]{1,17})/([0-9]{1,18})"),
    write=lambda key: f"a{_to_microseconds(key[0])}/{key[1]}",
    read=lambda moment, number: (_from_microseconds(moment), int(number)),
)
# The number of the last change of a page.
CHANGE_CURSOR: CursorCodec[int] = CursorCodec(
    re.compile(r"g([0-9]{1,10})"),
    write=lambda sequence: f"g{sequence}",
    read=_read_position,
)
# When it happened, which may be before 1970 or unknown, whether it is a movement, and its key or id.
TIMELINE_CURSOR: CursorCodec[TimelineKey] = CursorCodec(
    re.compile(r"t(-?[0-9]{1,18}|)/([md])/([0-9a-f-]{36,64})"),
    write=lambda key: f"t{'' if key.at is None else _to_microseconds(key.at)}/{'dm'[key.is_movement]}/{key.id}",
    read=lambda moment, kind, entry_id: TimelineKey(
        _from_microseconds(moment) if moment else None, kind == "m", entry_id
    ),
)
