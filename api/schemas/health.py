"""Health checks: body of the answer."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from api.schemas.base import Body


class HealthBody(Body):
    """The service answers, and this is its version."""

    status: Literal["ok"]
    version: str


class LiveBody(Body):
    """The service answers."""

    status: Literal["ok"]


class Readiness(StrEnum):
    """Whether everything works, or requests are only kept."""

    OK = "ok"
    DEGRADED = "degraded"


class ReadyBody(Body):
    """The state of each part: ``ok``, or what is wrong."""

    status: Readiness = Field(
        description="`degraded`: requests are answered, but a task queue has no worker, or it is not known."
    )
    parts: dict[str, str]
    workers: dict[str, int | None] = Field(
        description="Number of workers of each task queue. Null if Temporal does not say."
    )
    advice: str | None = Field(description="What to do. Null if the status is `ok`.")
