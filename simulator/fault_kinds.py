"""The response of each kind of fault: one small function per kind, and the table of their names.

``delay_seconds`` is waited before the response, except by ``slow``, which waits it between the eight pieces of the
true response. A ``gateway_timeout`` of the court takes a minute. Here it comes at once unless ``delay_seconds`` is
set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from simulator import responses
from simulator.files import HTML, PDF
from simulator.requests import CourtRequest, Target
from simulator.responses import CourtResponse, Ending


class Reach(Enum):
    """Which requests a fault affects when its rule names no documents."""

    EVERYTHING = auto()
    PROCESS = auto()
    DETAILS = auto()
    DOCUMENTS = auto()


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """Options of a fault's response, in seconds."""

    retry_after: int | None = None
    delay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault.

    Attributes:
        respond: returns the response that the client gets instead.
        reach: which requests it affects when its rule names no documents.
        before_token: whether the gateway causes it, so that requests without a valid token get it too.
        takes_retry_after: whether its response can have ``Retry-After``.
        delays_pieces: whether ``delay_seconds`` is waited within the response, not before it.
    """

    respond: Callable[[CourtRequest, FaultOptions], CourtResponse]
    reach: Reach
    before_token: bool = False
    takes_retry_after: bool = False
    delays_pieces: bool = False


def _codex_error(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    document_id = request.document.id if request.document else ""
    return responses.codex_error(request.path, request.number or "", document_id)


def _throttled(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.throttled(options.retry_after)


def _firewall(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.firewall()


def _token_rejected(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.token_rejected()


def _redirected(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.redirected()


def _no_access(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    match request.target:
        case Target.EXISTENCE:
            return request.response
        case Target.ACCESS:
            return responses.verdict(False)
        case _:
            return responses.no_access(request.number or "", status=403 if request.target is Target.SEARCH else 401)


def _broken_details(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.broken_details(request.path, request.number or "")


def _not_found(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    match request.target:
        case Target.EXISTENCE | Target.ACCESS:
            return responses.verdict(False)
        case Target.DETAILS:
            return responses.no_records()
        case Target.SEARCH:
            return responses.no_hits()
        case _:
            return responses.no_route(request.path)


def _sealed(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.sealed(request.path)


def _portal_page(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.portal_page()


def _empty(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.empty(request.response.media_type)


def _mismatched(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    """The true document with a wrong ``Content-Type``."""
    if request.response.document_id is None:
        return request.response
    declared_type = HTML if request.document is not None and request.document.media_type == PDF else PDF
    return replace(request.response, media_type=declared_type)


def _truncated(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    """Half the bytes.

    If the listing has the size, the response itself looks complete and only the listing shows the difference.
    Otherwise the response announces all bytes and ends early.
    """
    has_listed_size = request.document is not None and request.document.described
    ending = Ending.COMPLETE if has_listed_size else Ending.CLOSED
    return replace(request.response, sent=len(request.response.body) // 2, ending=ending)


def _reset(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    """A connection reset in the middle of the true response."""
    return replace(request.response, sent=len(request.response.body) // 2, ending=Ending.RESET)


def _slow(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    """The true response in eight pieces, one second apart unless ``delay_seconds`` is set."""
    delay = 1.0 if options.delay_seconds is None else options.delay_seconds
    return replace(request.response, piece_delay=delay)


def _gateway_timeout(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.gateway_timeout()


def _unavailable(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.unavailable(options.retry_after)


def _maintenance_json(request: CourtRequest, options: FaultOptions) -> CourtResponse:
    return responses.maintenance()


KINDS = {
    "codex_error": FaultKind(_codex_error, Reach.DOCUMENTS),
    "throttled": FaultKind(_throttled, Reach.EVERYTHING, before_token=True, takes_retry_after=True),
    "firewall": FaultKind(_firewall, Reach.EVERYTHING, before_token=True),
    "token_rejected": FaultKind(_token_rejected, Reach.EVERYTHING, before_token=True),
    "redirected": FaultKind(_redirected, Reach.EVERYTHING, before_token=True),
    "no_access": FaultKind(_no_access, Reach.PROCESS),
    "not_found": FaultKind(_not_found, Reach.PROCESS),
    "broken_details": FaultKind(_broken_details, Reach.DETAILS),
    "sealed": FaultKind(_sealed, Reach.DOCUMENTS),
    "portal_page": FaultKind(_portal_page, Reach.DOCUMENTS),
    "empty": FaultKind(_empty, Reach.DOCUMENTS),
    "mismatched": FaultKind(_mismatched, Reach.DOCUMENTS),
    "truncated": FaultKind(_truncated, Reach.DOCUMENTS),
    "reset": FaultKind(_reset, Reach.EVERYTHING),
    "slow": FaultKind(_slow, Reach.EVERYTHING, delays_pieces=True),
    "gateway_timeout": FaultKind(_gateway_timeout, Reach.EVERYTHING, before_token=True),
    "unavailable": FaultKind(_unavailable, Reach.EVERYTHING, before_token=True, takes_retry_after=True),
    "maintenance_json": FaultKind(_maintenance_json, Reach.EVERYTHING),
}
