"""The circuit breaker in front of the court, as one worker sees it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from domain.court import CourtState, FailureReport
from domain.errors import CourtFailure, CourtKnownUnavailable

if TYPE_CHECKING:
    from activities.court_tokens import CourtTokens
    from adapters.database.court_state import CourtStateRepository

# How long this worker uses the state that it has read. It knows the failures that it has recorded itself at once.
_CACHE_SECONDS = 1.0

_log = structlog.get_logger()


class CourtCircuitBreaker:
    """Deployment-wide circuit breaker of the court. It is the `TokenSource` of the workers' court client.

    While the circuit is open, no request gets a token, so none is sent. The court monitor probes the court and
    closes the circuit.

    Args:
        court: The state of the deployment's circuit.
        tokens: The source of the tokens.
    """

    def __init__(self, court: CourtStateRepository, tokens: CourtTokens) -> None:
        self._court = court
        self._tokens = tokens
        self._state = CourtState()
        self._read_at: float | None = None
        self._lock = asyncio.Lock()

    async def get_token(self) -> str | None:
        """Return the token to use now. None if there is none.

        Raises:
            CourtKnownUnavailable: The circuit is open.
        """
        await self.check()
        return await self._tokens.get_token()

    async def replace_rejected(self, rejected: str | None) -> str | None:
        """Return a token other than the one that the court has just rejected. None if there is none."""
        return await self._tokens.replace_rejected(rejected)

    async def mark_accepted(self) -> None:
        """Forget earlier rejections of the current token: the court has just accepted it."""
        await self._tokens.mark_accepted()

    async def check(self) -> int:
        """Return the circuit's generation if requests may be sent to the court.

        Raises:
            CourtKnownUnavailable: The circuit is open.
        """
        async with self._lock:
            if self._read_at is None or time.monotonic() - self._read_at > _CACHE_SECONDS:
                self._state = await self._court.read_state()
                self._read_at = time.monotonic()
        if (failure := self._state.failure) is not None:
            raise failure
        return self._state.generation

    async def record_failure(self, failure: CourtFailure, *, process_number: str, generation: int) -> bool:
        """Open the circuit. Returns False if it stays closed because the failure concerns this one process only.

        Args:
            failure: How the court failed, or that the circuit is open already.
            process_number: The process of the failed request. Probes search for the same process.
            generation: What `check` returned before the request.
        """
        if isinstance(failure, CourtKnownUnavailable):
            return True
        report = await self._court.open_circuit(
            failure,
            process_number=process_number,
            generation=generation,
            token=await self._tokens.get_fingerprint(),
        )
        self._read_at = None
        if report is FailureReport.OPENED:
            _log.warning("court unavailable", code=failure.code, answer=failure.answer)
        return report is not FailureReport.NOT_THE_COURT
