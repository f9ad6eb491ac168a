"""Problems: the body of every error."""

from __future__ import annotations

from pydantic import BaseModel

from api.schemas.base import Body


class InvalidParameter(Body):
    """One invalid parameter."""

    parameter: str
    detail: str


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[InvalidParameter] | None = None
    suggestion: str | None = None
