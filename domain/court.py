"""What a deployment knows of the court, and the credentials by which the court knows the deployment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto

from domain.errors import CourtKnownUnavailable, FailureCode
from domain.process_number import ProcessNumber

# The workflow that watches the court: one for the whole deployment.
WATCH_ID = "court"
# Asked for when nobody has met trouble with a process: a number that no court gives.
NO_PROCESS = ProcessNumber.parse("0000000-23.2000.8.11.0000")

_FIRST_PROBE_DELAY = timedelta(seconds=5)
_LONGEST_PROBE_DELAY = timedelta(minutes=15)
_PATIENCE = 5
_LONGEST_RENEWAL_LEAD = timedelta(seconds=60)
_SHORTEST_RENEWAL = timedelta(seconds=30)
_ENDING_SOON = timedelta(minutes=30)


class FailureReport(Enum):
    """What a reported failure led to.

    OPENED: The circuit is open from now on.
    IGNORED: It was open already, or has opened and closed since the request was sent.
    NOT_THE_COURT: The court works, and fails at this one process.
    """

    OPENED = auto()
    IGNORED = auto()
    NOT_THE_COURT = auto()


class Verdict(StrEnum):
    """What became of credentials that were brought while good ones were in use.

    PENDING: The court has not been asked, or has not answered.
    TAKEN: They are in use now.
    REFUSED: The court refused them while it took those in use, which stay.
    SUPERSEDED: Others were brought before they were tried.
    """

    PENDING = "pending"
    TAKEN = "taken"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class CourtState:
    """The circuit breaker in front of the court. All moments are of the database's clock.

    Attributes:
        generation: Grows each time the circuit opens or closes. A failure counts only against the generation that
            was read before the request.
        failure_code: Why the court does not answer. None while the circuit is closed.
        answer: What it answered then.
        process_number: The process whose request failed.
        since: When the circuit opened or closed.
        not_before: When the court itself asked to be asked again.
        probes: Probes that have failed since the circuit opened.
        next_probe_at: When the next one is due. None until the monitor has planned it.
        asked_at: When the court was last asked and failed.
        refused_token: The mark of the token that it was last asked with and failed.
        relapses: How often in a row the circuit has opened again soon after it closed, at the same process.
        read_at: When this was read.
    """

    generation: int = 0
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
    read_at: datetime | None = field(default=None, compare=False)

    @property
    def clock(self) -> datetime:
        """The present moment by the database's clock, as of the reading."""
        return self.read_at or datetime.now(UTC)

    @property
    def failure(self) -> CourtKnownUnavailable | None:
        """The error that whoever wants to ask the court meets. None while the circuit is closed."""
        if self.failure_code is None:
            return None
        return CourtKnownUnavailable(self.failure_code, self.answer)

    def probe_due(self, now: datetime, jitter: float, token: TokenReport | None = None) -> datetime:
        """Return when the court is to be probed next.

        The court's own `Retry-After` counts, to the second; when it has not helped five times, the delay grows. A
        court that refused our token is probed at once with another one, but never sooner than five seconds after a
        probe.

        Args:
            now: The present moment by the database's clock.
            jitter: From 0 to 1: how much of a tenth of the delay is added.
            token: The token in use.
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

    def is_good(self, now: datetime) -> bool:
        """Whether there is a token that the court is not known to refuse and that has not ended."""
        return self.source is not None and not self.rejected and (self.expires_at is None or self.expires_at > now)

    def needs_help_soon(self, now: datetime) -> bool:
        """Whether a person must bring a new token within half an hour."""
        if self.renewable:
            return False
        return (
            self.source is None
            or self.rejected
            or (self.expires_at is not None and self.expires_at - now < _ENDING_SOON)
        )
