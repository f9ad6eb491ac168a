"""Errors as ``application/problem+json`` (RFC 9457), with a stable code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import JSONResponse, Response

from api.middleware.request_ids import request_id_of
from api.problems.codes import ProblemCode

MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA = "#/components/schemas/ProblemBody"


class Problem(Exception):
    """An error that the API answers with.

    Args:
        code: The stable code. It determines the status.
        detail: What happened and what to do, for people.
        status: HTTP status instead of the code's own, where HTTP itself prescribes another.
        headers: Additional headers.
        members: Additional members of the body.
    """

    def __init__(
        self,
        code: ProblemCode,
        detail: str,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status or code.status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members: dict[str, Any] = members


def documented_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses: these problems, and those of every route that takes an API key."""
    return only_problems(401, 403, *statuses, 422, 429, 503)


def only_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI responses: these problems and no others, except after a bug."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}},
        }
        for status in statuses
    }


def json_pointer(steps: Iterable[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of a member of the body, as a URI fragment."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + "".join(f"/{quote(step, safe='~', errors='replace')}" for step in escaped)


def problem_response(request: Request, problem: Problem) -> Response:
    """Return the response for a problem."""
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code.value,
        "request_id": request_id_of(request.scope),
        **problem.members,
    }
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)
