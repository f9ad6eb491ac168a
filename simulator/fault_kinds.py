"""How each kind of fault answers: one small function per kind, and the table that names them.

``delay_seconds`` is waited before the answer, except by ``slow``, which waits it between the eight pieces in
which it sends the true answer. ``gateway_timeout`` takes the court a minute; here it comes at once unless
``delay_seconds`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from simulator import answers
from simulator.answers import Answer, Ending
from simulator.calls import Call, Target
from simulator.files import HTML, PDF


class Reach(Enum):
    """Which requests a fault strikes when it does not list documents."""

    EVERYTHING = auto()
    PROCESS = auto()
    DETAILS = auto()
    DOCUMENTS = auto()


@dataclass(frozen=True, slots=True)
class Terms:
    """What was ordered about the answer."""

    retry_after: int | None = None
    delay_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        answer: what the client gets instead.
        reach: which requests it strikes when it does not list documents.
        before_token: the gateway does it, to requests without a good token too.
        takes_retry_after: its answer can carry ``Retry-After``.
        drips: it spends ``delay_seconds`` within the answer, not before it.
    """

    answer: Callable[[Call, Terms], Answer]
    reach: Reach
    before_token: bool = False
    takes_retry_after: bool = False
    drips: bool = False


def _codex_error(call: Call, terms: Terms) -> Answer:
    document_id = call.document.id if call.document else ""
    return answers.codex_error(call.path, call.number or "", document_id)


def _throttled(call: Call, terms: Terms) -> Answer:
    return answers.throttled(terms.retry_after)


def _firewall(call: Call, terms: Terms) -> Answer:
    return answers.firewall()


def _token_rejected(call: Call, terms: Terms) -> Answer:
    return answers.token_rejected()


def _redirected(call: Call, terms: Terms) -> Answer:
    return answers.redirected()


def _no_access(call: Call, terms: Terms) -> Answer:
    match call.target:
        case Target.EXISTENCE:
            return call.answer
        case Target.ACCESS:
            return answers.verdict(False)
        case _:
            return answers.no_access(call.number or "", status=403 if call.target is Target.SEARCH else 401)


def _broken_details(call: Call, terms: Terms) -> Answer:
    return answers.broken_details(call.path, call.number or "")


def _not_found(call: Call, terms: Terms) -> Answer:
    match call.target:
        case Target.EXISTENCE | Target.ACCESS:
            return answers.verdict(False)
        case Target.DETAILS:
            return answers.no_records()
        case Target.SEARCH:
            return answers.no_hits()
        case _:
            return answers.no_route(call.path)


def _sealed(call: Call, terms: Terms) -> Answer:
    return answers.sealed(call.path)


def _portal_page(call: Call, terms: Terms) -> Answer:
    return answers.portal_page()


def _empty(call: Call, terms: Terms) -> Answer:
    return answers.empty(call.answer.media_type)


def _mismatched(call: Call, terms: Terms) -> Answer:
    """The true document, called something that it is not."""
    if call.answer.document_id is None:
        return call.answer
    told = HTML if call.document is not None and call.document.media_type == PDF else PDF
    return replace(call.answer, media_type=told)


def _truncated(call: Call, terms: Terms) -> Answer:
    """Half the bytes. Where the listing tells the size, the answer itself looks whole and only the listing
    gives it away; where it does not, the answer announces all the bytes and ends early."""
    told = call.document is not None and call.document.described
    ending = Ending.COMPLETE if told else Ending.CLOSED
    return replace(call.answer, sent=len(call.answer.body) // 2, ending=ending)


def _reset(call: Call, terms: Terms) -> Answer:
    """The connection is reset in the middle of the true answer."""
    return replace(call.answer, sent=len(call.answer.body) // 2, ending=Ending.RESET)


def _slow(call: Call, terms: Terms) -> Answer:
    """The true answer in eight pieces; one second apart unless ``delay_seconds`` says otherwise."""
    delay = 1.0 if terms.delay_seconds is None else terms.delay_seconds
    return replace(call.answer, step_delay=delay)


def _gateway_timeout(call: Call, terms: Terms) -> Answer:
    return answers.gateway_timeout()


def _unavailable(call: Call, terms: Terms) -> Answer:
    return answers.unavailable(terms.retry_after)


def _maintenance_json(call: Call, terms: Terms) -> Answer:
    return answers.maintenance()


KINDS = {
    "codex_error": Kind(_codex_error, Reach.DOCUMENTS),
    "throttled": Kind(_throttled, Reach.EVERYTHING, before_token=True, takes_retry_after=True),
    "firewall": Kind(_firewall, Reach.EVERYTHING, before_token=True),
    "token_rejected": Kind(_token_rejected, Reach.EVERYTHING, before_token=True),
    "redirected": Kind(_redirected, Reach.EVERYTHING, before_token=True),
    "no_access": Kind(_no_access, Reach.PROCESS),
    "not_found": Kind(_not_found, Reach.PROCESS),
    "broken_details": Kind(_broken_details, Reach.DETAILS),
    "sealed": Kind(_sealed, Reach.DOCUMENTS),
    "portal_page": Kind(_portal_page, Reach.DOCUMENTS),
    "empty": Kind(_empty, Reach.DOCUMENTS),
    "mismatched": Kind(_mismatched, Reach.DOCUMENTS),
    "truncated": Kind(_truncated, Reach.DOCUMENTS),
    "reset": Kind(_reset, Reach.EVERYTHING),
    "slow": Kind(_slow, Reach.EVERYTHING, drips=True),
    "gateway_timeout": Kind(_gateway_timeout, Reach.EVERYTHING, before_token=True),
    "unavailable": Kind(_unavailable, Reach.EVERYTHING, before_token=True, takes_retry_after=True),
    "maintenance_json": Kind(_maintenance_json, Reach.EVERYTHING),
}
