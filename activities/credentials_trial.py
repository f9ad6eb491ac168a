"""Trying the credentials that were brought before they take the place of good ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from domain.court import NO_PROCESS, CourtState, Credentials
from domain.errors import ConfigurationError, CourtFailure, DependencyUnavailable, FailureCode

if TYPE_CHECKING:
    from activities.court_access import CandidateToken
    from adapters.court_pdpj import PdpjCourt, SignIn
    from adapters.database.court_candidate import CourtCandidateRepository

_STORE_AGAIN_SECONDS = 1.0

_log = structlog.get_logger()


class CredentialsTrial:
    """Asks the court with the candidate alone, and with what is in use where that has to be compared.

    Args:
        candidates: Where the candidate is kept.
        token: The token that `court` sends.
        court: Asks with the candidate's token.
        in_use: Asks with the tokens in use, even while the court is known not to answer.
        sign_in: Where refresh tokens are traded.
    """

    def __init__(
        self,
        candidates: CourtCandidateRepository,
        token: CandidateToken,
        court: PdpjCourt,
        in_use: PdpjCourt,
        sign_in: SignIn,
    ) -> None:
        self._candidates = candidates
        self._token = token
        self._court = court
        self._in_use = in_use
        self._sign_in = sign_in
        self._trying = asyncio.Lock()

    async def pending_version(self, state: CourtState) -> int:
        """Return the version of the candidate that can be tried now. 0 if there is none.

        A court that does not answer is not asked. One that refuses what is in use is asked for nothing: then the
        candidate can only be better.
        """
        if state.failure_code not in (None, FailureCode.CREDENTIALS_REJECTED):
            return 0
        return await self._candidates.pending_version()

    async def settle(self, state: CourtState) -> bool:
        """Take or refuse the candidate. Returns False if the court does not say which."""
        async with self._trying:
            try:
                candidate = await self._candidates.pending()
            except ConfigurationError as error:
                _log.error("court credentials on trial cannot be opened", detail=str(error))
                return False
            if candidate is None:
                return True
            if state.failure_code is FailureCode.CREDENTIALS_REJECTED:
                await self._take(candidate, candidate.version)
                return True
            try:
                taken = await self._tried(candidate)
                if taken is None and not await self._works_in_use():
                    # Neither serves. What a person has just brought is the newer one.
                    taken = candidate
            except CourtFailure as failure:
                _log.warning("court credentials not tried yet", code=failure.code, answer=failure.answer)
                return False
            if taken is not None:
                await self._take(taken, candidate.version)
            elif await self._candidates.refuse(candidate.version):
                _log.warning("court refuses the credentials that were brought: those in use stay")
            return True

    async def _tried(self, candidate: Credentials) -> Credentials | None:
        """Return the credentials that the court takes. None if it refuses them.

        Raises:
            CourtFailure: It does not say.
        """
        if candidate.access_token is not None:
            self._token.token = candidate.access_token
            try:
                await self._court.check(NO_PROCESS)
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
            return await self._sign_in.renew(candidate.refresh_token)
        except CourtFailure as failure:
            if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                raise
            return None

    async def _works_in_use(self) -> bool:
        try:
            await self._in_use.check(NO_PROCESS)
        except CourtFailure as failure:
            if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                raise
            return False
        return True

    async def _take(self, credentials: Credentials, version: int) -> None:
        while True:
            try:
                taken = await self._candidates.take(credentials, version)
            except DependencyUnavailable as error:
                _log.error("court credentials taken and not stored yet", detail=str(error))
                await asyncio.sleep(_STORE_AGAIN_SECONDS)
            else:
                break
        _log.info("court credentials taken" if taken else "court credentials superseded", version=version)
