"""What a request may say."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from api.schemas import LONGEST_AGE_SECONDS, WebhookUrl
from domain.documents import DocumentStatus
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber


class DownloadQuery(BaseModel):
    """The query of a process."""

    model_config = ConfigDict(extra="forbid")

    auto_download: bool = Field(False, description="Start a run if the catalog cannot answer by itself.")
    webhook_url: WebhookUrl | None = Field(None, description="Called once when the run ends; needs auto_download.")
    max_age: int | None = Field(
        None,
        ge=0,
        le=LONGEST_AGE_SECONDS,
        description="How old, in seconds, the court's listing may be; 0 asks the court again.",
    )

    @property
    def age(self) -> timedelta | None:
        """``max_age``, if one is given."""
        return None if self.max_age is None else timedelta(seconds=self.max_age)


class DocumentsQuery(BaseModel):
    """The query of a process's documents."""

    model_config = ConfigDict(extra="forbid")

    status: DocumentStatus | None = Field(None, description="Only documents with this status.")
    cursor: str | None = Field(
        None,
        description="As the previous page's next_cursor gave it.",
        json_schema_extra={"format": "position-cursor"},
    )
    limit: int = Field(100, ge=1, le=200, description="Documents in a page.")


class ContentQuery(BaseModel):
    """The query of a document's content."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="A former content, by its number; the present one unless given."
    )


class NoQuery(BaseModel):
    """For routes that take no query."""

    model_config = ConfigDict(extra="forbid")


async def _number(
    number: Annotated[
        str,
        Path(
            description="The CNJ process number, with or without punctuation.",
            examples=["1011745-77.2025.8.11.0041"],
            json_schema_extra={"format": "cnj-process-number"},
        ),
    ],
) -> ProcessNumber:
    return ProcessNumber.parse(number)


Number = Annotated[ProcessNumber, Depends(_number)]


def encode_cursor(position: int) -> str:
    """A cursor behind a position; clients do not look inside."""
    return _wrapped(f"p{position}")


def decode_cursor(cursor: str | None) -> int:
    """The position behind which a page begins.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    if cursor is None:
        return 0
    [position] = _parts(cursor, _POSITION)
    if int(position) >= 2**31:
        raise _foreign_cursor()
    return int(position)


def encode_process_cursor(created_at: datetime, number: str) -> str:
    """A cursor behind a process, by the moment since when it is known."""
    return _wrapped(f"c{_microseconds(created_at)}/{number}")


def decode_process_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """The process behind which a page begins; none for the first page.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    if cursor is None:
        return None
    microseconds, number = _parts(cursor, _PROCESS)
    return _moment(microseconds), number


def encode_failure_cursor(failed_at: datetime, number: str, document_id: str) -> str:
    """A cursor behind a failure: a document's, or with an empty id its process's."""
    return _wrapped(f"f{_microseconds(failed_at)}/{number}/{document_id}")


def decode_failure_cursor(cursor: str | None) -> tuple[datetime, str, str] | None:
    """The failure behind which a page begins; none for the first page.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    if cursor is None:
        return None
    microseconds, number, document_id = _parts(cursor, _FAILURE)
    return _moment(microseconds), number, document_id


# The first letter says what a cursor stands behind; another form of the same would have another letter.
_POSITION = re.compile(r"p([0-9]{1,10})")
_PROCESS = re.compile(r"c([0-9]{1,17})/([0-9.-]{25})")
_FAILURE = re.compile(r"f([0-9]{1,17})/([0-9.-]{25})/([0-9a-f-]{36}|)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    # A float of seconds would lose the last digits, and a page some rows.
    return (moment - _EPOCH) // timedelta.resolution


def _moment(microseconds: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _wrapped(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parts(cursor: str, shape: re.Pattern[str]) -> tuple[str, ...]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except ValueError:  # No base64, or no text in it.
        raise _foreign_cursor() from None
    match = shape.fullmatch(text)
    # Several texts of base64 stand for the same bytes: only the one that was given out counts.
    if match is None or _wrapped(text) != cursor:
        raise _foreign_cursor()
    return match.groups()


def _foreign_cursor() -> InvalidInput:
    return InvalidInput(
        "The cursor is not one that this service gave out for this list; begin without one.",
        code="invalid_cursor",
        field="cursor",
    )
