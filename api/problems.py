"""Every error as ``application/problem+json`` (RFC 9457), with a stable code."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.schemas import ProblemBody
from domain.errors import DependencyUnavailable, InvalidInput, InvalidProcessNumber

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = 5
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}

_log = structlog.get_logger()


class Problem(Exception):
    """An error that a route has decided on.

    Args:
        status: the HTTP status.
        code: a stable word for programs.
        detail: what happened and what to do, for people.
        headers: further headers.
        members: further members of the body.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def documented_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: that a route answers these statuses, and those that any may, with problems."""
    return {
        status: {"model": ProblemBody, "content": {MEDIA_TYPE: {}}} for status in (401, 403, *statuses, 422, 503)
    }


def problem_response(request: Request, problem: Problem) -> Response:
    """Write a problem as an answer."""
    body: dict[str, Any] = {
        "type": f"urn:autos:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": getattr(request.state, "request_id", None),
        **problem.members,
    }
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Have every error of the application answered as a problem."""
    for kind, handler in (
        (Problem, _of_problem),
        (InvalidInput, _of_invalid_input),
        (DependencyUnavailable, _of_dependency),
        (RequestValidationError, _of_validation),
        (HTTPException, _of_http),
        (Exception, _of_bug),
    ):
        app.add_exception_handler(kind, handler)


def _of_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - Starlette types every handler's error as Exception.
    return problem_response(request, error)


def _of_invalid_input(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidInput)  # noqa: S101 - as above.
    problem = Problem(422, error.code, str(error))
    if error.field:
        problem.members["errors"] = [{"parameter": error.field, "detail": str(error)}]
    if isinstance(error, InvalidProcessNumber) and error.suggestion:
        problem.members["suggestion"] = error.suggestion
    return problem_response(request, problem)


def _of_dependency(request: Request, error: Exception) -> Response:
    assert isinstance(error, DependencyUnavailable)  # noqa: S101 - as above.
    _log.error("dependency unavailable", dependency=error.dependency, detail=str(error))
    return problem_response(
        request,
        Problem(
            503,
            f"{error.dependency}_unavailable",
            f"{error} Nothing is lost; ask again.",
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        ),
    )


def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above.
    errors = [
        {"parameter": ".".join(str(step) for step in item["loc"][1:]), "detail": item["msg"]}
        for item in error.errors()
    ]
    named = "; ".join(f"{item['parameter']}: {item['detail']}" for item in errors)
    return problem_response(
        request, Problem(422, "invalid_request", f"The request is not valid. {named}", errors=errors)
    )


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above.
    code = _CODES.get(error.status_code, "invalid_request" if error.status_code < 500 else "internal_error")
    detail = {
        404: "There is nothing at this address. The API is described at /docs.",
        405: "This address does not take this method; see the Allow header.",
    }.get(error.status_code, str(error.detail))
    return problem_response(request, Problem(error.status_code, code, detail, headers=error.headers))


def _of_bug(request: Request, error: Exception) -> Response:
    # The error itself may quote a request; its kind and the request's id are enough to find the trace.
    _log.error("unexpected error", error=type(error).__name__, path=request.url.path)
    return problem_response(
        request,
        Problem(
            500, "internal_error", "Something unexpected happened here. Report the request_id to the operator."
        ),
    )
