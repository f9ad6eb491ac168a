"""The exceptions.

AutosError
├── ApiProblem             the API answered with a problem (RFC 9457); its code says which
│   ├── Invalid            422, 400, 413, 415: what was sent cannot be used
│   ├── Unauthorized       401: no key, or not a valid one
│   ├── Forbidden          403: the key may not do this
│   ├── NotFound           404
│   ├── Conflict           409: not possible in the current state
│   ├── RateLimited        429
│   └── Unavailable        502, 503, 504
│       └── NoAnswer       the API was not reached, or the connection broke
├── UnexpectedAnswer       what answered is not the API
├── TookTooLong            the run has not ended within the timeout
├── DownloadFailed         raised by DownloadReport.check(), and defined beside it in ``reports``
└── WebhookRefused         a webhook that is not genuine
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AutosError(Exception):
    """Base class of every error that this package raises on purpose. Its text holds no key and no link."""


class ApiProblem(AutosError):
    """The API answered with a problem (RFC 9457).

    Attributes:
        code: A stable word for programs. Each has a page at ``/problems/{code}`` of the API.
        detail: What happened and what to do, for people.
        status: The HTTP status. ``None`` if there was no answer.
        request_id: Identifies the request in the service's logs.
        retry_after: Seconds that the API asked to wait, or ``None``.
        errors: The invalid parameters, each with ``parameter`` and ``detail``.
        suggestion: The process number that was probably meant, or ``None``.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        errors: tuple[Mapping[str, Any], ...] = (),
        suggestion: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.errors = errors
        self.suggestion = suggestion

    def __str__(self) -> str:
        """What happened, and in brackets what a report to the operator needs, such as the request's id."""
        return f"{self.detail} ({self.reason}{f', request {self.request_id}' if self.request_id else ''})"

    @property
    def reason(self) -> str:
        """The HTTP status and the code, in short."""
        return f"HTTP {self.status}, {self.code}" if self.status else self.code


class Invalid(ApiProblem):
    """What was sent cannot be used; nothing was changed."""


class Unauthorized(ApiProblem):
    """The API key is missing or not valid."""


class Forbidden(ApiProblem):
    """The key is not allowed to do this or to see this."""


class NotFound(ApiProblem):
    """There is no such process, document, batch or delivery."""


class Conflict(ApiProblem):
    """It is not possible in the current state; nothing was changed."""


class RateLimited(ApiProblem):
    """The key has reached its requests per minute."""


class Unavailable(ApiProblem):
    """The service, or something that it depends on, does not answer now. Nothing is lost; try again later."""


class NoAnswer(Unavailable):
    """The API was not reached, or the connection broke before the answer was complete.

    Attributes:
        error_name: The name of the connection's error.
    """

    def __init__(self, code: str, detail: str, *, error_name: str) -> None:
        super().__init__(code, detail)
        self.error_name = error_name

    @property
    def reason(self) -> str:
        """The name of the connection's error."""
        return self.error_name


class UnexpectedAnswer(AutosError):
    """The answer is not one of the API: the base address may be that of something else."""


class TookTooLong(AutosError):
    """The run has not ended within the timeout. It goes on at the service."""


class WebhookRefused(AutosError):
    """The request is not a genuine, recent webhook. Answer 401, and do nothing else with it."""


# Of what is not the API, a header may be anything.
_MAX_REQUEST_ID_LENGTH = 100
_BY_STATUS: dict[int, type[ApiProblem]] = {
    **dict.fromkeys((400, 413, 415, 422), Invalid),
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    **dict.fromkeys((502, 503, 504), Unavailable),
}


def error_for(status: int, body: object, retry_after: float | None, request_id: str | None = None) -> AutosError:
    """Return the exception for an answer that is not a success.

    Args:
        status: The HTTP status.
        body: The parsed JSON. ``None`` if the answer is not JSON.
        retry_after: Seconds that the headers ask to wait, or ``None``.
        request_id: The request's id in the headers, or ``None``.
    """
    request_id = request_id[:_MAX_REQUEST_ID_LENGTH] if request_id and request_id.isprintable() else None
    kind = _BY_STATUS.get(status, ApiProblem)
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        # A gateway in front of the API answered: it has no code.
        if issubclass(kind, Unavailable | RateLimited):
            return kind(
                "unavailable",
                f"The answer is HTTP {status}.",
                status=status,
                request_id=request_id,
                retry_after=retry_after,
            )
        return UnexpectedAnswer(f"The answer is HTTP {status}, and not as the API writes it. Is the address right?")
    errors = body.get("errors")
    return kind(
        body["code"],
        str(body.get("detail", "The API refused.")),
        status=status,
        request_id=_text(body.get("request_id")) or request_id,
        retry_after=retry_after,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else (),
        suggestion=_text(body.get("suggestion")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
