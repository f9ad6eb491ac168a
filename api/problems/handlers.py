"""Exception handlers: every error becomes a problem."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.middleware.access_log import route_of
from api.middleware.request_ids import request_id_of
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, json_pointer, problem_response
from api.problems.validation import describe_invalid_value
from domain.errors import (
    ConfigurationError,
    DependencyUnavailable,
    InvalidInput,
    InvalidProcessNumber,
    ProcessErased,
)
from domain.serializers import format_timestamp

# The errors of the application that `to_problem` knows.
KnownError: TypeAlias = (
    Problem
    | InvalidInput
    | ProcessErased
    | DependencyUnavailable
    | ConfigurationError
    | RequestValidationError
    | HTTPException
)
KNOWN_ERRORS = (
    Problem,
    InvalidInput,
    ProcessErased,
    DependencyUnavailable,
    ConfigurationError,
    RequestValidationError,
    HTTPException,
)

_RETRY_AFTER = {"Retry-After": "5"}
_CODES_BY_STATUS = {
    404: ProblemCode.NOT_FOUND,
    405: ProblemCode.METHOD_NOT_ALLOWED,
    413: ProblemCode.TOO_LARGE,
    415: ProblemCode.UNSUPPORTED_MEDIA_TYPE,
}
_DETAILS_BY_STATUS = {
    404: "There is nothing at this address. The API is described at /docs; its addresses do not end in a slash.",
    405: "This address does not support this method. See the Allow header.",
}

# Nobody receives it: proxies know this number, and the access log and the metrics do not count it as a bug.
_CLIENT_CLOSED_REQUEST = 499

_log = structlog.get_logger()


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    for error_class in KNOWN_ERRORS:
        app.add_exception_handler(error_class, _handle_known_error)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, _handle_bug)


def to_problem(error: KnownError) -> Problem:
    """Return the problem for an error, and log the errors that an operator has to know of."""
    match error:
        case Problem():
            return error
        case InvalidInput():
            return _from_invalid_input(error)
        case ProcessErased():
            return Problem(ProblemCode.PROCESS_ERASED, str(error), erased_at=format_timestamp(error.erased_at))
        case DependencyUnavailable():
            _log.error(
                "dependency unavailable", dependency=error.dependency, detail=f"{error} {error.place}".rstrip()
            )
            return Problem(
                ProblemCode(f"{error.dependency}_unavailable"),
                f"{error} Nothing is lost; send the request again.",
                headers=_RETRY_AFTER,
            )
        case ConfigurationError():
            # For example a changed database password. Only the log says which setting it is.
            _log.error("misconfigured", detail=str(error))
            return Problem(
                ProblemCode.NOT_READY,
                "A setting of the service is wrong. The operator's log says which one.",
                headers=_RETRY_AFTER,
            )
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http(error)


def _handle_known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, KNOWN_ERRORS)  # noqa: S101 - Starlette types every handler's error as Exception.
    problem = to_problem(error)
    _add_pointers(problem, getattr(request.state, "body_members", frozenset()))
    return problem_response(request, problem)


def _add_pointers(problem: Problem, body_members: Collection[str]) -> None:
    """Add JSON Pointers to the errors of a problem that are about members of the body."""
    for error in problem.members.get("errors", ()):
        steps = error["parameter"].split(".")
        if steps[0] in body_members:
            error.setdefault("pointer", json_pointer(steps))


def _handle_disconnect(_request: Request, _error: Exception) -> Response:
    """End a request whose client has gone before its body was complete."""
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


def _handle_bug(request: Request, error: Exception) -> Response:
    request_id = request_id_of(request.scope)
    _log.error("unexpected error", request_id=request_id, route=route_of(request.scope), exc_info=error)
    return problem_response(
        request,
        Problem(
            ProblemCode.INTERNAL_ERROR,
            "An unexpected error happened in the service. Report the request_id to the operator.",
            # This answer is written outside the middleware that adds the header.
            headers={"X-Request-Id": request_id} if request_id else None,
        ),
    )


def _from_invalid_input(error: InvalidInput) -> Problem:
    problem = Problem(ProblemCode(error.code), str(error))
    if error.field:
        problem.members["errors"] = [{"parameter": error.field, "detail": str(error)}]
    if isinstance(error, InvalidProcessNumber) and error.suggestion:
        problem.members["suggestion"] = error.suggestion
    return problem


def _from_validation(error: RequestValidationError) -> Problem:
    errors = [_from_invalid_field(item) for item in error.errors()]
    summary = "; ".join(f"{item['parameter']}: {item['detail']}" for item in errors)
    return Problem(ProblemCode.INVALID_REQUEST, f"The request is not valid. {summary}", errors=errors)


def _from_invalid_field(item: Mapping[str, Any]) -> dict[str, str]:
    place, *steps = item["loc"]
    if place == "body":
        name = ".".join(str(step) for step in steps) or place
        return {"parameter": name, "pointer": json_pointer(steps), "detail": describe_invalid_value(item)}
    return {"parameter": ".".join(str(step) for step in steps), "detail": describe_invalid_value(item)}


def _from_http(error: HTTPException) -> Problem:
    default = ProblemCode.INVALID_REQUEST if error.status_code < 500 else ProblemCode.INTERNAL_ERROR
    code = _CODES_BY_STATUS.get(error.status_code, default)
    detail = _DETAILS_BY_STATUS.get(error.status_code, str(error.detail))
    # FastAPI answers 400 to a body that is not text. Here it gets 422, like every other invalid request.
    status = 422 if error.status_code == 400 else error.status_code
    return Problem(code, detail, status=status, headers=error.headers)
