"""What a request may say."""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from domain.documents import DocumentStatus
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber

_LONGEST_AGE_SECONDS = 366 * 24 * 3600


class DownloadQuery(BaseModel):
    """The query of a process."""

    model_config = ConfigDict(extra="forbid")

    auto_download: bool = Field(False, description="Start a run if the catalog cannot answer by itself.")
    webhook_url: str | None = Field(None, description="Called once when the run ends; needs auto_download.")
    max_age: int | None = Field(
        None,
        ge=0,
        le=_LONGEST_AGE_SECONDS,
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
    cursor: str | None = Field(None, description="As the previous page's next_cursor gave it.")
    limit: int = Field(100, ge=1, le=200, description="Documents in a page.")


class NoQuery(BaseModel):
    """For routes that take no query."""

    model_config = ConfigDict(extra="forbid")


async def _number(
    number: Annotated[
        str,
        Path(
            description="The CNJ process number, with or without punctuation.",
            examples=["1011745-77.2025.8.11.0041"],
        ),
    ],
) -> ProcessNumber:
    return ProcessNumber.parse(number)


Number = Annotated[ProcessNumber, Depends(_number)]


def encode_cursor(position: int) -> str:
    """A cursor behind a position; clients do not look inside."""
    return base64.urlsafe_b64encode(f"p{position}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> int:
    """The position behind which a page begins.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    if cursor is None:
        return 0
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        position = int(text[1:]) if text[:1] == "p" and text[1:].isdecimal() else -1
    except (binascii.Error, UnicodeError, ValueError):
        position = -1
    if not 0 <= position < 2**31:
        raise InvalidInput(
            "The cursor is not one that this service gave out; begin without one.",
            code="invalid_cursor",
            field="cursor",
        )
    return position
