"""The trial of new credentials, before they replace credentials that work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from domain.court import NONEXISTENT_PROCESS, CourtState, Credentials
from domain.errors import ConfigurationError, CourtFailure, DependencyUnavailable, FailureCode

if TYPE_CHECKING:
    from activities.court_tokens import CandidateToken
    from adapters.court_pdpj import PdpjClient, TokenRefreshClient
    from adapters.database.candidate_credentials import CandidateCredentialsRepository

_STORE_RETRY_SECONDS = 1.0

_log = structlog.get_logger()


class CredentialsTrial:
    """Probes the court with the candidate credentials, and with those in use where the two must be compared.

    Args:
        candidates: Keeps the candidate credentials.
        token: The token that `court` sends.
        court: Sends requests with the candidate's token.
        in_use: Sends requests with the tokens in use, also while the circuit is open.
        token_refresh: Exchanges refresh tokens.
    """

    def __init__(
        self,
        candidates: CandidateCredentialsRepository,
        token: CandidateToken,
        court: PdpjClient,
        in_use: PdpjClient,
        token_refresh: TokenRefreshClient,
    ) -> None:
        self._candidates = candidates
        self._token = token
        self._court = court
        self._in_use = in_use
        self._token_refresh = token_refresh
        self._lock = asyncio.Lock()

    async def get_pending_version(self, state: CourtState) -> int:
        """Return the version of the candidate that can be tried now. 0 if there is none.

        There is no trial while the court does not answer. If the court refuses the credentials in use,
        `try_candidate` accepts the candidate without a request: it can only be better.
        """
        if state.failure_code not in (None, FailureCode.CREDENTIALS_REJECTED):
            return 0
        return await self._candidates.get_pending_version()

    async def try_candidate(self, state: CourtState) -> bool:
        """Accept or refuse the candidate. Returns False if the court gives no clear answer."""
        async with self._lock:
            try:
                candidate = await self._candidates.get_pending()
            except ConfigurationError as error:
                _log.error("court credentials on trial cannot be opened", detail=str(error))
                return False
            if candidate is None:
                return True
            if state.failure_code is FailureCode.CREDENTIALS_REJECTED:
                await self._accept(candidate, candidate.version)
                return True
            try:
                accepted = await self._find_accepted(candidate)
                if accepted is None and not await self._are_current_accepted():
                    # The court accepts neither. The candidate is newer, since a person has just provided it.
                    accepted = candidate
            except CourtFailure as failure:
                _log.warning("court credentials not tried yet", code=failure.code, answer=failure.answer)
                return False
            if accepted is not None:
                await self._accept(accepted, candidate.version)
            elif await self._candidates.refuse(candidate.version):
                _log.warning("court refuses the new credentials: those in use stay")
            return True

    async def _find_accepted(self, candidate: Credentials) -> Credentials | None:
        """Return the credentials that the court accepts: the candidate or its renewal. None if it refuses both.

        Raises:
            CourtFailure: The court gives no clear answer.
        """
        if candidate.access_token is not None:
            self._token.token = candidate.access_token
            try:
                await self._court.probe(NONEXISTENT_PROCESS)
            except CourtFailure as failure:
                if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                    raise
            else:
                return candidate
            finally:
                self._token.token = None
        if candidate.refresh_token is None:
            return None
        try:
            return await self._token_refresh.renew(candidate.refresh_token)
        except CourtFailure as failure:
            if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                raise
            return None

    async def _are_current_accepted(self) -> bool:
        try:
            await self._in_use.probe(NONEXISTENT_PROCESS)
        except CourtFailure as failure:
            if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                raise
            return False
        return True

    async def _accept(self, credentials: Credentials, version: int) -> None:
        is_accepted = await store_until_available(
            lambda: self._candidates.accept(credentials, version),
            log_event="court credentials accepted and not stored yet",
        )
        _log.info("court credentials accepted" if is_accepted else "court credentials superseded", version=version)


async def store_until_available(store: Callable[[], Awaitable[bool]], *, log_event: str) -> bool:
    """Retry writing to the database until it is available: tokens that the court has just issued must not be lost.

    Args:
        store: Writes to the database.
        log_event: Logged after each attempt in vain.

    Returns:
        What ``store`` returns.
    """
    while True:
        try:
            return await store()
        except DependencyUnavailable as error:
            _log.error(log_event, detail=str(error))
            await asyncio.sleep(_STORE_RETRY_SECONDS)
