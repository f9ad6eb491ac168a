"""Monitor the court for the whole deployment: probe it while it is down, and keep its token alive."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from workflows.details import ended_monitor_details, utc
from workflows.options import CATALOG, MONITORING

with workflow.unsafe.imports_passed_through():
    from activities.court_monitor import CourtMonitorActivities
    from domain.circuit_messages import CourtCheckPlan
    from domain.court import probe_delay
    from domain.errors import FailureCode

# Between checks when nothing is due. Failures and new credentials are signalled at once.
_IDLE = timedelta(minutes=5)
# A new token in the token file is not signalled, so it has to be looked for.
_WHILE_REFUSED = timedelta(seconds=15)
_SHORTEST_REST = timedelta(milliseconds=50)


@workflow.defn
class MonitorCourt:
    """The one court monitor of the deployment, id ``court``. Nothing else probes the court or renews its token."""

    @workflow.init
    def __init__(self) -> None:
        self._check_requested = False
        self._probe_requested = False
        self._failed_renewals = 0
        self._renew_not_before: datetime | None = None
        self._credentials_version = 0
        self._candidate_version = 0
        self._failed_trials = 0
        self._try_not_before: datetime | None = None
        # The token was renewed while the court refused it, and no probe since has shown whether that helped.
        self._renewed_unprobed = False

    @workflow.run
    async def run(self) -> None:
        """Monitor until cancelled."""
        try:
            await self._monitor()
        except (ActivityError, asyncio.CancelledError):
            workflow.set_current_details(ended_monitor_details())
            raise

    async def _monitor(self) -> None:
        while True:
            self._check_requested = False
            plan = await workflow.execute_activity_method(CourtMonitorActivities.plan_court_check, **CATALOG)
            self._apply(plan)
            is_probe_due = self._is_probe_due(plan)
            is_renewal_due = plan.renew_in_seconds == 0 or (
                plan.renew_first and is_probe_due and not self._renewed_unprobed
            )
            if plan.candidate_version and self._may_try_candidate:
                await self._try_candidate()
            elif is_renewal_due and self._may_renew:
                await self._renew()
            elif is_probe_due:
                self._probe_requested = False
                await self._probe()
            else:
                await self._wait_until_due(plan)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new()

    @workflow.signal
    def look(self) -> None:
        """Check now: a request has failed, or new credentials were stored."""
        self._check_requested = True

    @workflow.signal
    def probe(self) -> None:
        """Probe the court now if its circuit breaker is open. For operators."""
        self._check_requested = self._probe_requested = True

    def _is_probe_due(self, plan: CourtCheckPlan) -> bool:
        return plan.probe_in_seconds is not None and (plan.probe_in_seconds == 0 or self._probe_requested)

    async def _probe(self) -> None:
        self._renewed_unprobed = False
        if await workflow.execute_activity_method(CourtMonitorActivities.probe_court, **MONITORING):
            await workflow.execute_activity_method(CourtMonitorActivities.wake_waiting_runs, **CATALOG)

    @property
    def _may_renew(self) -> bool:
        return self._renew_not_before is None or workflow.now() >= self._renew_not_before

    async def _renew(self) -> None:
        renewed = await workflow.execute_activity_method(CourtMonitorActivities.renew_credentials, **MONITORING)
        if renewed:
            self._failed_renewals, self._renew_not_before, self._renewed_unprobed = 0, None, True
        else:
            self._renew_not_before = workflow.now() + probe_delay(self._failed_renewals)
            self._failed_renewals += 1

    @property
    def _may_try_candidate(self) -> bool:
        return self._try_not_before is None or workflow.now() >= self._try_not_before

    async def _try_candidate(self) -> None:
        if await workflow.execute_activity_method(CourtMonitorActivities.try_credentials, **MONITORING):
            self._failed_trials, self._try_not_before = 0, None
        else:
            self._try_not_before = workflow.now() + probe_delay(self._failed_trials)
            self._failed_trials += 1

    async def _wait_until_due(self, plan: CourtCheckPlan) -> None:
        waits = [_WHILE_REFUSED if plan.failure_code is FailureCode.CREDENTIALS_REJECTED else _IDLE]
        if plan.probe_in_seconds is not None:
            waits.append(timedelta(seconds=plan.probe_in_seconds))
        if plan.renew_in_seconds is not None and self._may_renew:
            waits.append(timedelta(seconds=plan.renew_in_seconds))
        elif self._renew_not_before is not None:
            waits.append(self._renew_not_before - workflow.now())
        if plan.candidate_version and self._try_not_before is not None:
            waits.append(self._try_not_before - workflow.now())
        # A signal or the first due time, whichever comes first.
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._check_requested,
                timeout=max(min(waits), _SHORTEST_REST),
                timeout_summary="until something is due",
            )

    def _apply(self, plan: CourtCheckPlan) -> None:
        if not plan.failure_code:
            self._probe_requested = self._renewed_unprobed = False
        if plan.credentials_version != self._credentials_version:
            # Attempts with the former credentials say nothing about these.
            self._credentials_version = plan.credentials_version
            self._failed_renewals, self._renew_not_before = 0, None
        if plan.candidate_version != self._candidate_version:
            self._candidate_version = plan.candidate_version
            self._failed_trials, self._try_not_before = 0, None
        self._describe(plan)

    def _describe(self, plan: CourtCheckPlan) -> None:
        state = f"does not answer: `{plan.failure_code}`" if plan.failure_code else "answers, as far as is known"
        lines = [f"The court **{state}**."]
        if plan.probe_in_seconds is not None:
            lines.append(f"The next probe is due at {_from_now(plan.probe_in_seconds)}.")
        if plan.token_expires_at:
            lines.append(f"Its token expires at {utc(datetime.fromisoformat(plan.token_expires_at))}.")
        if plan.renew_in_seconds is not None:
            lines.append(f"The token is renewed at {_from_now(plan.renew_in_seconds)}.")
        workflow.set_current_details("\n\n".join(lines))


def _from_now(seconds: float) -> str:
    return utc(workflow.now() + timedelta(seconds=seconds))
