"""What can go wrong, as exceptions.

AutosError
├── ApiProblem             the API answered with a problem; its code says which
│   ├── Invalid            422, 400, 413, 415: what was sent cannot be used
│   ├── Unauthorized       401: no key, or not a good one
│   ├── Forbidden          403: the key may not do this
│   ├── NotFound           404
│   ├── Conflict           409: not as things are now
│   ├── RateLimited        429
│   └── Unavailable        502, 503, 504
│       └── NoAnswer       the API was not reached, or the connection broke
├── UnexpectedAnswer       whatever answered does not speak as the API does
├── TookTooLong            the run has not ended in the time that was given
├── DownloadFailed         asked for by DownloadReport.check(): not every document is there
└── WebhookRefused         a webhook that is not genuine
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autos_client.reports import DownloadReport


class AutosError(Exception):
    """Root of every error that this package raises on purpose. Its text holds no key and no link."""


class ApiProblem(AutosError):
    """The API answered with a problem (RFC 9457).

    Attributes:
        code: a stable word for programs; each has a page at ``/problems/{code}`` of the API.
        detail: what happened and what to do, for people.
        status: the HTTP status; none if there was no answer.
        request_id: names the request in the service's logs.
        retry_after: seconds that the API asked to wait, if it did.
        errors: the parameters that cannot be used, each with ``parameter`` and ``detail``.
        suggestion: the process number that was probably meant.
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
        super().__init__(f"{detail} ({code})")
        self.code = code
        self.detail = detail
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.errors = errors
        self.suggestion = suggestion


class Invalid(ApiProblem):
    """What was sent cannot be used; nothing was changed."""


class Unauthorized(ApiProblem):
    """There is no API key, or it is not a good one."""


class Forbidden(ApiProblem):
    """The key may not do this, or not see this."""


class NotFound(ApiProblem):
    """There is no such process, document, batch or delivery."""


class Conflict(ApiProblem):
    """It cannot be done as things are now; nothing was changed."""


class RateLimited(ApiProblem):
    """The key has used up its requests of this minute."""


class Unavailable(ApiProblem):
    """The service, or a part that it stands on, does not answer now. Nothing is lost; ask again later."""


class NoAnswer(Unavailable):
    """The API was not reached, or the connection broke before its answer was here."""


class UnexpectedAnswer(AutosError):
    """Whatever answered does not speak as the API does: the base address may be that of something else."""


class TookTooLong(AutosError):
    """The run has not ended in the time that was given. It goes on at the service."""


class DownloadFailed(AutosError):
    """Not every document is there.

    Attributes:
        report: what is there, and what is not and why.
    """

    def __init__(self, report: DownloadReport) -> None:
        super().__init__(
            f"{report.process_number} is {report.status.status}: "
            f"{len(report.failed)} documents failed, {report.pending} are still to come."
        )
        self.report = report


class WebhookRefused(AutosError):
    """The request is not a genuine, recent webhook. Answer 401, and do nothing else with it."""


_BY_STATUS: dict[int, type[ApiProblem]] = {
    **dict.fromkeys((400, 413, 415, 422), Invalid),
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    **dict.fromkeys((502, 503, 504), Unavailable),
}


def problem_of(status: int, body: object, retry_after: float | None) -> AutosError:
    """The exception for an answer that is not a success.

    Args:
        status: the answer's HTTP status.
        body: its JSON; none if it is not JSON.
        retry_after: seconds that its headers ask to wait.
    """
    kind = _BY_STATUS.get(status, ApiProblem)
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        # A gateway before the API speaks for itself, and has no code.
        if issubclass(kind, Unavailable | RateLimited):
            return kind("unavailable", f"The answer is HTTP {status}.", status=status, retry_after=retry_after)
        return UnexpectedAnswer(f"The answer is HTTP {status}, and not as the API writes it. Is the address right?")
    errors = body.get("errors")
    return kind(
        body["code"],
        str(body.get("detail", "The API refused.")),
        status=status,
        request_id=_text(body.get("request_id")),
        retry_after=retry_after,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else (),
        suggestion=_text(body.get("suggestion")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
