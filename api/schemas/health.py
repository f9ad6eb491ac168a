"""Health checks: body of the answer."""

from __future__ import annotations

from api.schemas.base import Body


class ReadyBody(Body):
    """The state of each part: ``ok``, or what is wrong."""

    status: str
    parts: dict[str, str]
