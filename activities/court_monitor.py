"""The activities of the court monitor, and the one by which waiting runs read the state of the court."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.credentials_trial import store_until_available
from activities.errors import translating_infrastructure_errors
from activities.heartbeats import heartbeating
from domain.circuit_messages import CourtCheckPlan, RecoveryState
from domain.court import NONEXISTENT_PROCESS, CourtState, Credentials, TokenReport
from domain.errors import ConfigurationError, CourtFailure, FailureCode
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from activities.court_tokens import CourtTokens
    from activities.credentials_trial import CredentialsTrial
    from adapters.court_pdpj import PdpjClient, TokenRefreshClient
    from adapters.database.court_state import CourtStateRepository
    from adapters.temporal.monitor_client import MonitorClient

# If a probe is so late, nobody will send it: the monitor has stopped.
_OVERDUE = timedelta(seconds=30)
_MAX_PROBE_DURATION = timedelta(minutes=6)
# The first probes search only for the process whose request has failed.
_PROBES_OF_SAME_PROCESS = 2
# Failures that do not depend on the process that is searched for.
_PROCESS_INDEPENDENT_CODES = frozenset({FailureCode.COURT_THROTTLED, FailureCode.CREDENTIALS_REJECTED})
_MIN_WAIT_SECONDS = 5.0
_MAX_WAIT_SECONDS = 900.0
_MONITOR_SECONDS = 10.0

_log = structlog.get_logger()


class CourtMonitorActivities:
    """The activities of ``MonitorCourt``, and the one by which waiting runs read the state of the court.

    Args:
        court: The state of the court's circuit, and the credentials.
        tokens: The tokens as this worker sees them.
        prober: Sends requests to the court also while the circuit is open. For probes only.
        token_refresh: Renews tokens.
        monitor: Starts a check by the monitor, and wakes waiting runs.
        trial: Tries new credentials while those in use work.
    """

    def __init__(
        self,
        court: CourtStateRepository,
        tokens: CourtTokens,
        prober: PdpjClient,
        token_refresh: TokenRefreshClient,
        monitor: MonitorClient,
        trial: CredentialsTrial,
    ) -> None:
        self._court = court
        self._tokens = tokens
        self._prober = prober
        self._token_refresh = token_refresh
        self._monitor = monitor
        self._trial = trial
        self._last_warning: TokenReport | None = None

    @activity.defn
    async def read_court_state(self) -> RecoveryState:
        """Return whether the court is known to answer. Sends nothing to the court."""
        with translating_infrastructure_errors():
            state = await self._court.read_state()
            now = state.clock
            if state.failure_code is None:
                return RecoveryState(answers=True)
            due_at = state.next_probe_at
            if due_at is None or due_at < now - _OVERDUE:
                due_at = state.next_probe_time(now, random.random())  # noqa: S311 - spreads load, guards nothing.
                if await self._court.claim_check(due_at, overdue_before=now - _OVERDUE):
                    await self._monitor.request_check(seconds=_MONITOR_SECONDS)
        wait = (due_at - now).total_seconds()
        wait = min(max(wait, _MIN_WAIT_SECONDS), _MAX_WAIT_SECONDS)
        # A little after the probe, and spread, so that the runs do not all come back at once.
        return RecoveryState(answers=False, look_again_seconds=wait * random.uniform(1.1, 1.3))  # noqa: S311

    @activity.defn
    async def plan_court_check(self) -> CourtCheckPlan:
        """Decide what to do next: a probe, a renewal, or nothing. Warn when a person must provide a token."""
        with translating_infrastructure_errors():
            report = await self._tokens.describe_token()
            await self._court.report_token(report)
            state = await self._court.read_state()
            credentials = await self._read_credentials()
            candidate_version = await self._trial.get_pending_version(state)
            now = datetime.now(UTC)
            probe_in, renew_first = None, False
            if state.failure_code is not None:
                due_at = state.next_probe_time(state.clock, random.random(), report)  # noqa: S311 - as above.
                can_renew = credentials is not None and credentials.refresh_token is not None
                renew_first = can_renew and state.failure_code is FailureCode.CREDENTIALS_REJECTED
                if renew_first and state.probes == 0:
                    due_at = state.clock
                if due_at != state.next_probe_at:
                    await self._court.plan_probe(due_at)
                probe_in = max((due_at - state.clock).total_seconds(), 0.0)
        self._warn_if_person_needed(report, now)
        renew_at = credentials.renew_at if credentials else None
        return CourtCheckPlan(
            failure_code=state.failure_code,
            probe_in_seconds=probe_in,
            renew_in_seconds=max((renew_at - now).total_seconds(), 0.0) if renew_at else None,
            renew_first=renew_first,
            credentials_version=credentials.version if credentials else 0,
            token_expires_at=report.expires_at.isoformat(timespec="seconds") if report.expires_at else "",
            candidate_version=candidate_version,
        )

    @activity.defn
    async def probe_court(self) -> bool:
        """Send one request to the court and record the result. Returns whether the court answers."""
        with translating_infrastructure_errors():
            state = await self._court.read_state()
            # So that no waiting run finds the probe overdue while it is in flight.
            await self._court.plan_probe(state.clock + _MAX_PROBE_DURATION)
            try:
                async with heartbeating():
                    await self._probe(state)
            except CourtFailure as failure:
                await self._court.record_failed_probe(failure, token=await self._tokens.get_fingerprint())
                _log.warning("court still unavailable", code=failure.code, answer=failure.answer)
                return False
            await self._tokens.mark_accepted()
            await self._court.close_circuit()
            await self._court.report_token(await self._tokens.describe_token())
        _log.info("court answers again", code=state.failure_code)
        return True

    async def _probe(self, state: CourtState) -> None:
        number = state.process_number
        try:
            await self._prober.probe(ProcessNumber.parse(number) if number else NONEXISTENT_PROCESS)
        except CourtFailure as failure:
            # If only this process is broken at the court, it must not keep all the others waiting.
            if state.probes < _PROBES_OF_SAME_PROCESS or failure.code in _PROCESS_INDEPENDENT_CODES:
                raise
            await self._prober.probe(NONEXISTENT_PROCESS)

    @activity.defn
    async def try_credentials(self) -> bool:
        """Try the candidate credentials at the court. Returns False if the court gives no clear answer."""
        with translating_infrastructure_errors():
            state = await self._court.read_state()
            # Shielded from cancellation: once a refresh token is used, the new tokens must reach the database.
            is_decided = await asyncio.shield(asyncio.ensure_future(self._try_candidate(state)))
            await self._court.report_token(await self._tokens.describe_token())
        return is_decided

    async def _try_candidate(self, state: CourtState) -> bool:
        async with heartbeating():
            return await self._trial.try_candidate(state)

    @activity.defn
    async def wake_waiting_runs(self) -> int:
        """Wake every run that waits for the court. The rate limiter spreads their requests. Returns how many."""
        with translating_infrastructure_errors():
            woken = await self._monitor.wake_waiting_runs(activity.heartbeat)
        _log.info("waiting runs woken", runs=woken)
        return woken

    @activity.defn
    async def renew_credentials(self) -> bool:
        """Exchange the refresh token for new tokens, and store both in one transaction before they are used.

        A refused refresh token is deleted: then only a person can provide new credentials.

        Returns:
            False if the sign-in service does not answer, so that the renewal must be tried again.
        """
        with translating_infrastructure_errors():
            known = await self._read_credentials()
            if known is None or known.refresh_token is None:
                return True
            # Shielded from cancellation: once the refresh token is used, the new tokens must reach the database.
            return await asyncio.shield(asyncio.ensure_future(self._renew(known.refresh_token, known.version)))

    async def _renew(self, refresh_token: str, version: int) -> bool:
        async with heartbeating():
            try:
                renewed = await self._token_refresh.renew(refresh_token)
            except CourtFailure as failure:
                _log.warning("court token not renewed", code=failure.code, answer=failure.answer)
                if failure.code is not FailureCode.CREDENTIALS_REJECTED:
                    return False
                await self._court.drop_refresh_token(version)
                return True
            is_stored = await store_until_available(
                lambda: self._court.store_credentials(renewed, instead_of=version),
                log_event="court token renewed and not stored yet",
            )
        _log.info("court token renewed", expires_at=str(renewed.expires_at))
        if not is_stored:
            _log.warning("court token renewal discarded: newer credentials were stored meanwhile")
        return True

    async def _read_credentials(self) -> Credentials | None:
        try:
            return await self._court.read_credentials()
        except ConfigurationError:
            # `CourtTokens` has logged it. There is nothing to renew.
            return None

    def _warn_if_person_needed(self, report: TokenReport, now: datetime) -> None:
        if not report.needs_help_soon(now):
            self._last_warning = None
        elif self._last_warning != report:
            self._last_warning = report
            _log.warning(
                "court token needs a person: provide a new one with `autos court login`",
                source=report.source,
                expires_at=str(report.expires_at) if report.expires_at else None,
                rejected=report.rejected,
            )
