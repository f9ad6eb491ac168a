"""Base classes and field types of the bodies and queries."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

LONGEST_AGE_SECONDS = 366 * 24 * 3600


def _require_rfc_3339(value: object) -> object:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\dT", value, re.ASCII | re.IGNORECASE):
        raise ValueError("a time is written as in 2026-01-31T12:00:00Z")
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time is outside the calendar") from None


# JSON has one kind of number: 3 and 3.0 are the same.
WholeNumber = BeforeValidator(
    lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
)
Age = Annotated[int, Field(ge=0, le=LONGEST_AGE_SECONDS), WholeNumber]
Priority = Annotated[int, Field(ge=1, le=5), WholeNumber]
# A batch may not put a thousand processes in front of other requests.
BatchPriority = Annotated[int, Field(ge=4, le=5), WholeNumber]
DocumentId = Annotated[str, Field(pattern="^[0-9A-Za-z-]{1,36}$")]
# Only RFC 3339: pydantic would read a number as seconds.
Moment = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_require_rfc_3339), AfterValidator(_to_utc)]
Token = Annotated[SecretStr, Field(json_schema_extra={"pattern": r"^\s*([Bb]earer\s+)?[!-~]+\s*$"})]
ProcessNumberText = Annotated[str, Field(json_schema_extra={"x-format": "cnj-process-number"})]
WebhookUrl = Annotated[str, Field(json_schema_extra={"x-format": "webhook-url"})]
# A time in an answer: in UTC, so that it is written with a ``Z``.
UtcTime = Annotated[datetime, AfterValidator(_to_utc)]


class Body(BaseModel):
    """Base of the bodies of answers, and of queries: no unknown fields."""

    model_config = ConfigDict(extra="forbid")


class RequestBody(BaseModel):
    """Base of the bodies of requests: no unknown fields and no conversion between types."""

    model_config = ConfigDict(extra="forbid", strict=True)
