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

from api.problem_codes import ProblemCode
from domain.errors import ConfigurationError, DependencyUnavailable, InvalidInput, InvalidProcessNumber

MEDIA_TYPE = "application/problem+json"
PROBLEM_SCHEMA = "#/components/schemas/ProblemBody"
_RETRY_AFTER_SECONDS = 5
_OF_HTTP = {
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
}

_log = structlog.get_logger()


class Problem(Exception):
    """An error that a route has decided on.

    Args:
        code: what it is; the status comes with it.
        detail: what happened and what to do, for people.
        status: another HTTP status than the code's own, where HTTP itself has decided on it.
        headers: further headers.
        members: further members of the body.
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
        self.members = members


def documented_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: that a route answers these statuses, and those that any for clients may, with problems."""
    return only_problems(401, 403, *statuses, 422, 429, 503)


def only_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: that a route answers these statuses with problems, and any other only by a defect."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM_SCHEMA}}},
        }
        for status in statuses
    }


def problem_response(request: Request, problem: Problem) -> Response:
    """Write a problem as an answer."""
    body: dict[str, Any] = {
        "type": f"/problems/{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code.value,
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
        (ConfigurationError, _of_configuration),
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
    problem = Problem(ProblemCode(error.code), str(error))
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
            ProblemCode(f"{error.dependency}_unavailable"),
            f"{error} Nothing is lost; ask again.",
            headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
        ),
    )


def _of_configuration(request: Request, error: Exception) -> Response:
    _log.error("misconfigured", detail=str(error))
    return problem_response(request, misconfigured())


def misconfigured() -> Problem:
    """That a setting, such as the database's password, no longer fits. What it is, only the log tells."""
    return Problem(
        ProblemCode.NOT_READY,
        "A setting of the service does not fit its parts. The operator's log says which.",
        headers={"Retry-After": str(_RETRY_AFTER_SECONDS)},
    )


def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above.
    errors = [
        {"parameter": ".".join(str(step) for step in item["loc"][1:]), "detail": item["msg"]}
        for item in error.errors()
    ]
    named = "; ".join(f"{item['parameter']}: {item['detail']}" for item in errors)
    return problem_response(
        request, Problem(ProblemCode.INVALID_REQUEST, f"The request is not valid. {named}", errors=errors)
    )


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above.
    unnamed = ProblemCode.INVALID_REQUEST if error.status_code < 500 else ProblemCode.INTERNAL_ERROR
    code = _OF_HTTP.get(error.status_code, unnamed)
    detail = {
        404: "There is nothing at this address. The API is described at /docs.",
        405: "This address does not take this method; see the Allow header.",
    }.get(error.status_code, str(error.detail))
    # FastAPI has a status of its own for a body that is no text at all; it is no other mistake than the rest.
    status = 422 if error.status_code == 400 else error.status_code
    return problem_response(request, Problem(code, detail, status=status, headers=error.headers))


def _of_bug(request: Request, error: Exception) -> Response:
    request_id = getattr(request.state, "request_id", None)
    _log.error("unexpected error", request_id=request_id, path=request.url.path, exc_info=error)
    return problem_response(
        request,
        Problem(
            ProblemCode.INTERNAL_ERROR,
            "Something unexpected happened here. Report the request_id to the operator.",
            # Written outside of the middleware that names requests.
            headers={"X-Request-Id": request_id} if request_id else None,
        ),
    )
