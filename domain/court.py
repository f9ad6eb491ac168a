"""The court's circuit breaker, and the credentials for the court."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto

from domain.errors import CourtKnownUnavailable, FailureCode
from domain.process_number import ProcessNumber

# Id of the workflow that monitors the court: one for the whole deployment.
MONITOR_ID = "court"
# Probes ask for this process if no request for a real one has failed. No court assigns this number.
NONEXISTENT_PROCESS = ProcessNumber.parse("0000000-23.2000.8.11.0000")

_FIRST_PROBE_DELAY = timedelta(seconds=5)
_MAX_PROBE_DELAY = timedelta(minutes=15)
_RETRY_AFTERS_HONOURED = 5
_MAX_RENEWAL_LEAD = timedelta(seconds=60)
_MIN_RENEWAL_PAUSE = timedelta(seconds=30)
_EXPIRY_WARNING = timedelta(minutes=30)


class FailureReport(Enum):
    """The effect of a reported failure.

    OPENED: It opened the circuit.
    IGNORED: The circuit was already open, or has opened and closed since the request was sent.
    NOT_THE_COURT: The court works, and fails only for this process.
    """

    OPENED = auto()
    IGNORED = auto()
    NOT_THE_COURT = auto()


class Verdict(StrEnum):
    """The result of trying new credentials while valid ones are in use.

    PENDING: The court has not been asked, or has not answered.
    TAKEN: They are in use now.
    REFUSED: The court refused them but accepted those in use, which stay.
    SUPERSEDED: Other credentials arrived before these were tried.
    """

    PENDING = "pending"
    TAKEN = "taken"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class CourtState:
    """The state of the court's circuit breaker. All times are by the database's clock.

    Attributes:
        generation: Incremented each time the circuit opens or closes. A failure counts only if the generation is
            still the one that was read before the request.
        failure_code: Why the court does not answer. None while the circuit is closed.
        answer: The court's answer to the failed request.
        process_number: The process whose request failed.
        since: When the circuit opened or closed.
        not_before: Earliest time of the next request, as the court itself asked (``Retry-After``).
        probes: Number of probes that have failed since the circuit opened.
        next_probe_at: When the next probe is due. None until the monitor has planned it.
        asked_at: When the last failed request was made.
        refused_token: Fingerprint of the token of the last failed request.
        relapses: How often in a row the circuit has reopened for the same process soon after it closed.
        read_at: When this state was read.
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
        """The time by the database's clock at which this state was read."""
        return self.read_at or datetime.now(UTC)

    @property
    def failure(self) -> CourtKnownUnavailable | None:
        """The error to raise for requests to the court. None while the circuit is closed."""
        if self.failure_code is None:
            return None
        return CourtKnownUnavailable(self.failure_code, self.answer)

    def next_probe_time(self, now: datetime, jitter: float, token: TokenReport | None = None) -> datetime:
        """Return when to probe the court next.

        The court's own ``Retry-After`` is honoured exactly. After five probes in vain, exponential backoff applies
        too. A court that refused our token is probed at once when there is another token, but at least five seconds
        after the last probe.

        Args:
            now: The present time by the database's clock.
            jitter: From 0 to 1. 1 adds a tenth of the delay.
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
        elif self.probes < _RETRY_AFTERS_HONOURED:
            planned = self.not_before
        else:
            planned = now + probe_delay(self.probes - _RETRY_AFTERS_HONOURED)
        return planned if self.not_before is None else max(planned, self.not_before)


def probe_delay(probes: int) -> timedelta:
    """Return the exponential backoff after this many failed probes: 5 s, doubling, at most 15 minutes."""
    return min(_FIRST_PROBE_DELAY * (1 << min(probes, 16)), _MAX_PROBE_DELAY)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Tokens from the court's sign-in service. Neither token is ever shown.

    Attributes:
        version: Counts the changes, so that two concurrent renewals do not overwrite each other.
        stored_at: When they were stored.
        expires_at: When the access token expires. None if it does not say.
        refresh_expires_at: When the refresh token expires. None if it does not say.
    """

    access_token: str | None = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    stored_at: datetime | None = None
    version: int = 0

    @property
    def renew_at(self) -> datetime | None:
        """When to renew: one minute, or a third of the token's life if less, before expiry. None if impossible."""
        if self.refresh_token is None or self.stored_at is None:
            return None
        if self.access_token is None:
            return self.stored_at
        ends = [moment for moment in (self.expires_at, self.refresh_expires_at) if moment is not None]
        if not ends:
            return None
        life = min(ends) - self.stored_at
        if life <= timedelta(0):
            # By our clock it had expired when it arrived. Wait, so that renewals do not loop without a pause.
            return self.stored_at + _MIN_RENEWAL_PAUSE
        return self.stored_at + life - min(_MAX_RENEWAL_LEAD, life / 3)


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What may be shown of the token in use.

    Attributes:
        source: ``stored``, ``file`` or ``environment``. None if there is no token at all.
        mark: A fingerprint that tells it from other tokens and reveals nothing else. Not stored.
        expires_at: When it expires. None if it does not say.
        renewable: Whether it is renewed automatically.
        rejected: Whether the court has refused it.
        credentials_version: The version of the stored credentials that it was chosen from, 0 if none were stored.
            None if unknown. Not stored.
    """

    source: str | None = None
    mark: str | None = field(default=None, compare=False)
    expires_at: datetime | None = None
    renewable: bool = False
    rejected: bool = False
    credentials_version: int | None = field(default=None, compare=False)

    def is_usable(self, now: datetime) -> bool:
        """Return whether there is a token that has not expired and that the court is not known to refuse."""
        return self.source is not None and not self.rejected and (self.expires_at is None or self.expires_at > now)

    def needs_help_soon(self, now: datetime) -> bool:
        """Return whether a person must provide a new token within half an hour."""
        if self.renewable:
            return False
        return (
            self.source is None
            or self.rejected
            or (self.expires_at is not None and self.expires_at - now < _EXPIRY_WARNING)
        )
