"""What the watch does at the court and in the catalog, and what it tells runs that wait."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from activities.heartbeats import heartbeating
from domain.court import NO_PROCESS, CourtState, Credentials, TokenReport
from domain.errors import ConfigurationError, CourtFailure, DependencyUnavailable, FailureCode
from domain.messages import CourtExamination, RecoveryAdvice
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from activities.court_access import CourtTokens
    from activities.credentials_trial import CredentialsTrial
    from adapters.court_pdpj import PdpjCourt, SignIn
    from adapters.court_watch import CourtWatch
    from adapters.database.court import Court

# A probe that is so late is nobody's: the watch has been stopped.
_OVERDUE = timedelta(seconds=30)
_LONGEST_PROBE = timedelta(minutes=6)
# So many probes ask for the very process where the trouble was met, and no other.
_OWN_PROBES = 2
# What the court says whatever it is asked.
_WHOEVER_ASKS = frozenset({FailureCode.COURT_THROTTLED, FailureCode.CREDENTIALS_REJECTED})
_STORE_AGAIN_SECONDS = 1.0
_SHORTEST_WAIT_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 900.0

_log = structlog.get_logger()


class CourtWatchActivities:
    """The activities of ``WatchCourt``, and the one by which waiting runs ask what it found.

    Args:
        court: what is known of the court, and the credentials.
        tokens: the tokens as this worker sees them.
        prober: asks the court even while it is known not to answer; nobody else may use it.
        sign_in: where tokens are renewed.
        watch: the watch itself, and the way to the runs that wait.
        trial: credentials that were brought while good ones are in use.
    """

    def __init__(
        self,
        court: Court,
        tokens: CourtTokens,
        prober: PdpjCourt,
        sign_in: SignIn,
        watch: CourtWatch,
        trial: CredentialsTrial,
    ) -> None:
        self._court = court
        self._tokens = tokens
        self._prober = prober
        self._sign_in = sign_in
        self._watch = watch
        self._trial = trial
        self._warned: TokenReport | None = None

    @activity.defn
    async def consult_court(self) -> RecoveryAdvice:
        """Tell a run whether the court answers, as far as is known; the court itself is not asked."""
        with own_failures():
            state = await self._court.state()
            now = state.clock
            if state.failure_code is None:
                return RecoveryAdvice(answers=True)
            due = state.next_probe_at
            if due is None or due < now - _OVERDUE:
                due = state.probe_due(now, random.random())  # noqa: S311 - spreads load, guards nothing.
                if await self._court.claim_check(due, overdue_before=now - _OVERDUE):
                    await self._watch.look()
        wait = (due - now).total_seconds()
        wait = min(max(wait, _SHORTEST_WAIT_SECONDS), _LONGEST_WAIT_SECONDS)
        # A little behind the probe, and not all at once.
        return RecoveryAdvice(answers=False, look_again_seconds=wait * random.uniform(1.1, 1.3))  # noqa: S311

    @activity.defn
    async def examine_court(self) -> CourtExamination:
        """See what is to be done: a probe, a renewal, or nothing; warn when a person must bring a token."""
        with own_failures():
            report = await self._tokens.report()
            await self._court.report_token(report)
            state = await self._court.state()
            credentials = await self._credentials()
            candidate = await self._trial.pending_version(state)
            now = datetime.now(UTC)
            probe_in, renew_first = None, False
            if state.failure_code is not None:
                due = state.probe_due(state.clock, random.random(), report)  # noqa: S311 - as above.
                renewable = credentials is not None and credentials.refresh_token is not None
                renew_first = renewable and state.failure_code is FailureCode.CREDENTIALS_REJECTED
                if renew_first and state.probes == 0:
                    due = state.clock
                if due != state.next_probe_at:
                    await self._court.plan_probe(due)
                probe_in = max((due - state.clock).total_seconds(), 0.0)
        self._warn(report, now)
        renew_at = credentials.renew_at if credentials else None
        return CourtExamination(
            failure_code=state.failure_code,
            probe_in_seconds=probe_in,
            renew_in_seconds=max((renew_at - now).total_seconds(), 0.0) if renew_at else None,
            renew_first=renew_first,
            credentials_version=credentials.version if credentials else 0,
            token_expires_at=report.expires_at.isoformat(timespec="seconds") if report.expires_at else "",
            candidate_version=candidate,
        )

    @activity.defn
    async def probe_court(self) -> bool:
        """Send the court a single request; note what came of it, and say whether it answers."""
        with own_failures():
            state = await self._court.state()
            # Nobody else is to find it overdue while it is under way.
            await self._court.plan_probe(state.clock + _LONGEST_PROBE)
            try:
                async with heartbeating():
                    await self._probe(state)
            except CourtFailure as failure:
                await self._court.record_failed_probe(failure, token=await self._tokens.mark())
                _log.warning("court still unavailable", code=failure.code, answer=failure.answer)
                return False
            await self._tokens.accepted()
            await self._court.close_circuit()
            await self._court.report_token(await self._tokens.report())
        _log.info("court answers again", code=state.failure_code)
        return True

    async def _probe(self, state: CourtState) -> None:
        number = state.process_number
        try:
            await self._prober.check(ProcessNumber.parse(number) if number else NO_PROCESS)
        except CourtFailure as failure:
            # One process that is broken at the court must not keep all the others waiting.
            if state.probes < _OWN_PROBES or failure.code in _WHOEVER_ASKS:
                raise
            await self._prober.check(NO_PROCESS)

    @activity.defn
    async def try_credentials(self) -> bool:
        """Ask the court whether it takes the credentials that were brought. Returns False if it does not say."""
        with own_failures():
            state = await self._court.state()
            # Shielded: once a refresh token is spent, what it was traded for must reach the database.
            settled = await asyncio.shield(asyncio.ensure_future(self._try(state)))
            await self._court.report_token(await self._tokens.report())
        return settled

    async def _try(self, state: CourtState) -> bool:
        async with heartbeating():
            return await self._trial.settle(state)

    @activity.defn
    async def wake_waiting_runs(self) -> int:
        """Have every run that waits for the court look again now; they come back at the deployment's pace."""
        with own_failures():
            woken = await self._watch.wake_waiting_runs(activity.heartbeat)
        _log.info("waiting runs woken", runs=woken)
        return woken

    @activity.defn
    async def renew_credentials(self) -> bool:
        """Trade the refresh token for new tokens and store both in one step, before anybody uses them.

        Says false when the sign-in does not answer, so that it is to be tried again. A refresh token that is
        refused is dropped: only a person can bring new credentials then.
        """
        with own_failures():
            known = await self._credentials()
            if known is None or known.refresh_token is None:
                return True
            # Shielded: once the old token is spent, the new ones must reach the database.
            return await asyncio.shield(asyncio.ensure_future(self._renew(known.refresh_token, known.version)))

    async def _renew(self, refresh_token: str, version: int) -> bool:
        async with heartbeating():
            try:
                renewed = await self._sign_in.renew(refresh_token)
            except CourtFailure as failure:
                _log.warning("court token not renewed", code=failure.code, answer=failure.answer)
                if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                    return False
                await self._court.drop_refresh_token(version)
                return True
            while True:
                try:
                    stored = await self._court.store_credentials(renewed, instead_of=version)
                except DependencyUnavailable as error:
                    _log.error("court token renewed and not stored yet", detail=str(error))
                    await asyncio.sleep(_STORE_AGAIN_SECONDS)
                else:
                    break
        _log.info("court token renewed", expires_at=str(renewed.expires_at))
        if not stored:
            _log.warning("court credentials brought meanwhile are kept instead of the renewed ones")
        return True

    async def _credentials(self) -> Credentials | None:
        try:
            return await self._court.credentials()
        except ConfigurationError:
            # Said already where tokens are read; there is nothing to renew.
            return None

    def _warn(self, report: TokenReport, now: datetime) -> None:
        if not report.needs_help_soon(now):
            self._warned = None
        elif self._warned != report:
            self._warned = report
            _log.warning(
                "court token needs a person: bring a new one with `autos court login`",
                source=report.source,
                expires_at=str(report.expires_at) if report.expires_at else None,
                rejected=report.rejected,
            )
