"""Problems: the body of every error."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.schemas.base import Body


class InvalidParameter(Body):
    """One invalid parameter or member of the body."""

    parameter: str = Field(description="Its name. For a member of the body, its path with dots.")
    pointer: str = Field("", description="Its JSON Pointer. Only if it is in the body.")
    detail: str


class ProblemBody(BaseModel):
    """An error (RFC 9457). Members with a default are missing rather than null."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[InvalidParameter] = Field(default=[], description="What is wrong with which parameter.")
    erased_at: str = Field("", description="When the process was erased, or its erasure was requested.")
    suggestion: str = Field("", description="The process number with the right check digits.")


class ProblemPageBody(BaseModel):
    """The page of a problem. The texts are Markdown."""

    code: str
    status: int
    what_it_means: str
    why_it_happens: str
    what_to_do: str
