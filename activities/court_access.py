"""What it takes to ask the court: a court that is not known to be away, and a token."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from domain.court import CourtState, FailureReport, TokenReport
from domain.errors import ConfigurationError, CourtFailure, CourtKnownUnavailable, InvalidInput
from domain.tokens import read_token, token_expiry

if TYPE_CHECKING:
    from adapters.database.court import Court

# How long this worker goes by what it has read. Its own findings it knows at once.
_FRESH_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Candidate:
    token: str
    source: str
    since: datetime


class CourtTokens:
    """The tokens by which the court may know us, from three places.

    The newer one of the token file and of the stored credentials is used, and the environment's only without
    either. One that the court has refused steps behind the others.

    Args:
        court: where credentials are stored.
        configured: the environment's token.
        file: a file with a token, read again whenever it changes.
    """

    def __init__(self, court: Court, *, configured: str | None, file: Path | None) -> None:
        self._court = court
        self._configured = configured
        self._file = file
        self._refused: set[bytes] = set()
        self._candidates: list[_Candidate] = []
        self._renewable = False
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self._complaint: str | None = None

    async def current(self) -> str | None:
        """The token to use now, or none."""
        best = await self._best()
        return best.token if best else None

    async def replacement(self, rejected: str | None) -> str | None:
        """Another token than the one that the court has just refused, or none."""
        if rejected is not None:
            self._refused.add(_fingerprint(rejected))
        self._read_at = None
        token = await self.current()
        return token if token is not None and _fingerprint(token) not in self._refused else None

    async def mark(self) -> str | None:
        """The mark of the token in use: it tells the token from others, and nothing else."""
        token = await self.current()
        return _mark(token) if token is not None else None

    async def report(self) -> TokenReport:
        """What may be told of the token in use."""
        self._read_at = None
        best = await self._best()
        if best is None:
            return TokenReport(renewable=self._renewable)
        return TokenReport(
            source=best.source,
            mark=_mark(best.token),
            expires_at=token_expiry(best.token),
            renewable=best.source == "stored" and self._renewable,
            rejected=_fingerprint(best.token) in self._refused,
        )

    async def accepted(self) -> None:
        """The court has just taken the token in use: whatever was said against it before."""
        token = await self.current()
        if token is not None:
            self._refused.discard(_fingerprint(token))

    async def _best(self) -> _Candidate | None:
        async with self._reading:
            if self._read_at is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._candidates = await self._gather()
                self._read_at = time.monotonic()
        good = [each for each in self._candidates if _fingerprint(each.token) not in self._refused]
        return next(iter(good or self._candidates), None)

    async def _gather(self) -> list[_Candidate]:
        found = [each for each in (await self._from_store(), self._from_file()) if each is not None]
        found.sort(key=lambda candidate: candidate.since, reverse=True)
        if self._configured is not None:
            found.append(_Candidate(self._configured, "environment", datetime.min.replace(tzinfo=UTC)))
        return found

    async def _from_store(self) -> _Candidate | None:
        self._renewable = False
        try:
            stored = await self._court.credentials()
        except ConfigurationError as error:
            self._complain(str(error))
            return None
        if stored is None:
            return None
        self._renewable = stored.refresh_token is not None
        if stored.access_token is None or stored.stored_at is None:
            return None
        return _Candidate(stored.access_token, "stored", stored.stored_at)

    def _from_file(self) -> _Candidate | None:
        if self._file is None:
            return None
        try:
            token = read_token(self._file.read_text(), field="AUTOS_COURT_TOKEN_FILE")
            return _Candidate(token, "file", datetime.fromtimestamp(self._file.stat().st_mtime, UTC))
        except (OSError, UnicodeDecodeError) as error:
            self._complain(f"The file of AUTOS_COURT_TOKEN_FILE cannot be read ({type(error).__name__}).")
        except InvalidInput as error:
            self._complain(str(error))
        return None

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error("court credentials unusable", detail=complaint)


class CandidateToken:
    """The token of credentials on trial, and no other: what the court says is said of this one."""

    def __init__(self) -> None:
        self.token: str | None = None

    async def current(self) -> str | None:
        """Return the token on trial."""
        return self.token

    async def replacement(self, rejected: str | None) -> str | None:
        """Return None: nothing takes its place."""
        return None

    async def accepted(self) -> None:
        """Do nothing: nobody has said anything against it."""


class CourtAccess:
    """The gate in front of the court: while the circuit is open, nobody gets a token, and nothing is sent.

    Args:
        court: where the deployment's findings are.
        tokens: where tokens come from.
    """

    def __init__(self, court: Court, tokens: CourtTokens) -> None:
        self._court = court
        self._tokens = tokens
        self._state = CourtState()
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def current(self) -> str | None:
        """Return the token to use now. None if there is none.

        Raises:
            CourtKnownUnavailable: The circuit is open.
        """
        await self.check()
        return await self._tokens.current()

    async def replacement(self, rejected: str | None) -> str | None:
        """Return another token than the one that the court has just refused. None if there is none."""
        return await self._tokens.replacement(rejected)

    async def accepted(self) -> None:
        """Forget what was said against the token in use: the court has just taken it."""
        await self._tokens.accepted()

    async def check(self) -> int:
        """Return the circuit's generation if the court may be asked.

        Raises:
            CourtKnownUnavailable: The circuit is open.
        """
        async with self._reading:
            if self._read_at is None or time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._state = await self._court.state()
                self._read_at = time.monotonic()
        if (failure := self._state.failure) is not None:
            raise failure
        return self._state.generation

    async def report(self, failure: CourtFailure, *, process_number: str, generation: int) -> bool:
        """Open the deployment-wide circuit breaker. Returns False if the failure is the one process's own.

        Args:
            failure: How the court failed, or that the circuit is open already.
            process_number: Whose request it was. Probes ask for the same process.
            generation: What `check` returned before the request.
        """
        if isinstance(failure, CourtKnownUnavailable):
            return True
        led_to = await self._court.open_circuit(
            failure, process_number=process_number, generation=generation, token=await self._tokens.mark()
        )
        self._read_at = None
        if led_to is FailureReport.OPENED:
            _log.warning("court unavailable", code=failure.code, answer=failure.answer)
        return led_to is not FailureReport.NOT_THE_COURT


def _mark(token: str) -> str:
    return _fingerprint(token).hex()[:16]


def _fingerprint(token: str) -> bytes:
    return sha256(token.encode()).digest()
