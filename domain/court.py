"""What a deployment knows of the court, and the credentials by which it is known there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto

from domain.errors import CourtKnownUnavailable, FailureCode

# The workflow that watches the court: one for the whole deployment.
WATCH_ID = "court"

_FIRST_PROBE_DELAY = timedelta(seconds=5)
_LONGEST_PROBE_DELAY = timedelta(minutes=15)
_PATIENCE = 5
_LONGEST_RENEWAL_LEAD = timedelta(seconds=60)
_SHORTEST_RENEWAL = timedelta(seconds=30)
_ENDING_SOON = timedelta(minutes=30)


class Verdict(Enum):
    """What a failure that points at the court is found to be."""

    NEWS = auto()
    KNOWN = auto()
    NOT_THE_COURT = auto()


@dataclass(frozen=True, slots=True)
class CourtCondition:
    """Whether the court answers, as somebody last found it.

    Attributes:
        failure_code: why it does not; none while it does.
        answer: what it said then.
        process_number: the process whose request failed.
        since: when it was first found so.
        not_before: when the court itself asked to be asked again.
        probes: single requests sent since then, all in vain.
        next_probe_at: when the next one is due; none until the watch has taken notice.
        asked_at: when it was last asked, in vain.
        refused_token: the mark of the token that it was last asked with, in vain.
        relapses: how often in a row it was found well and failed again at once, at the same process.
        answered_at: when it was last found well after trouble.
    """

    failure_code: FailureCode | None = None
    answer: str = ""
    process_number: str | None = None
    since: datetime | None = None
    not_before: datetime | None = None
    probes: int = 0
    next_probe_at: datetime | None = None
    asked_at: datetime | None = None
    refused_token: str | None = None
    relapses: int = 0
    answered_at: datetime | None = None

    @property
    def failure(self) -> CourtKnownUnavailable | None:
        """The failure as whoever wants to ask the court meets it; none while the court answers."""
        if self.failure_code is None:
            return None
        return CourtKnownUnavailable(self.failure_code, self.answer)

    def probe_due(self, now: datetime, jitter: float, token: TokenReport | None = None) -> datetime:
        """When the court is to be probed next.

        The court's own word counts, to the second; when it has not helped five times, patience grows. A court that
        refused our token is probed at once with another, but never sooner than five seconds after a probe.

        Args:
            now: the present moment.
            jitter: from 0 to 1; how much of a tenth of the delay is added.
            token: the token in use.
        """
        refused = self.failure_code is FailureCode.CREDENTIALS_REJECTED
        if refused and token is not None and token.mark is not None and token.mark != self.refused_token:
            pause = _FIRST_PROBE_DELAY if self.probes else timedelta(0)
            return now if self.asked_at is None else max(now, self.asked_at + pause)
        if self.next_probe_at is not None:
            planned = self.next_probe_at
        elif self.not_before is None:
            planned = now + probe_delay(self.probes) * (1 + 0.1 * jitter)
        elif self.probes < _PATIENCE:
            planned = self.not_before
        else:
            planned = now + probe_delay(self.probes - _PATIENCE)
        return planned if self.not_before is None else max(planned, self.not_before)


def probe_delay(probes: int) -> timedelta:
    """How long to wait before the next probe, after so many in vain: 5 s, doubling, 15 min at most."""
    return min(_FIRST_PROBE_DELAY * (1 << min(probes, 16)), _LONGEST_PROBE_DELAY)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the court's sign-in gave: neither token is ever shown.

    Attributes:
        version: counts the changes, so that two who renew at once do not undo each other.
        stored_at: when they came.
        expires_at: when the access token ends; none if it does not say.
        refresh_expires_at: when the refresh token ends; none if it does not say.
    """

    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    stored_at: datetime | None = None
    version: int = 0

    @property
    def renew_at(self) -> datetime | None:
        """When to renew: a minute ahead, or a third of the token's life if that is less; none if it cannot be."""
        if self.refresh_token is None or self.stored_at is None:
            return None
        if self.access_token is None:
            return self.stored_at
        ends = [moment for moment in (self.expires_at, self.refresh_expires_at) if moment is not None]
        if not ends:
            return None
        life = min(ends) - self.stored_at
        if life <= timedelta(0):
            # By our clock it came ended already: never renew without a pause.
            return self.stored_at + _SHORTEST_RENEWAL
        return self.stored_at + life - min(_LONGEST_RENEWAL_LEAD, life / 3)


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What may be told of the token in use.

    Attributes:
        source: ``stored``, ``file``, ``environment``, or none if there is no token at all.
        mark: tells it from other tokens and tells nothing else; not stored.
        expires_at: when it ends; none if it does not say.
        renewable: whether it is renewed without help.
        rejected: whether the court has refused it.
    """

    source: str | None = None
    mark: str | None = field(default=None, compare=False)
    expires_at: datetime | None = None
    renewable: bool = False
    rejected: bool = False

    def needs_help_soon(self, now: datetime) -> bool:
        """Whether a person must bring a new token within half an hour."""
        if self.renewable:
            return False
        return (
            self.source is None
            or self.rejected
            or (self.expires_at is not None and self.expires_at - now < _ENDING_SOON)
        )
