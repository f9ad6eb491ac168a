"""Watching the court for the whole deployment: probing it while it is away, keeping its token alive."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow

from workflows.options import CATALOG, COURT_ERRAND

with workflow.unsafe.imports_passed_through():
    from activities.court_watch import CourtWatchActivities
    from domain.court import probe_delay
    from domain.errors import FailureCode
    from domain.messages import CourtExamination

# When nothing is due. Whoever finds trouble or brings a token says so at once.
_IDLE = timedelta(minutes=5)
# A new token in a file says nothing.
_WHILE_REFUSED = timedelta(seconds=15)
_SHORTEST_REST = timedelta(milliseconds=50)


@workflow.defn
class WatchCourt:
    """One for the whole deployment, id ``court``: nobody else probes the court or renews its token."""

    @workflow.init
    def __init__(self) -> None:
        self._asked = False
        self._probe_asked = False
        self._renewals_in_vain = 0
        self._renew_not_before: datetime | None = None
        self._credentials_version = 0
        self._candidate_version = 0
        self._trials_in_vain = 0
        self._try_not_before: datetime | None = None
        # Renewed while the court refused the token, and not probed since: nobody knows yet whether it helped.
        self._untried = False

    @workflow.run
    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._asked = False
            seen = await workflow.execute_activity_method(CourtWatchActivities.examine_court, **CATALOG)
            self._take_note(seen)
            probe_due = seen.probe_in_seconds is not None and (seen.probe_in_seconds == 0 or self._probe_asked)
            renewal_due = seen.renew_in_seconds == 0 or (seen.renew_first and probe_due and not self._untried)
            if seen.candidate_version and self._may_try:
                await self._try_credentials()
            elif renewal_due and self._may_renew:
                await self._renew()
            elif probe_due:
                self._probe_asked = False
                await self._probe()
            else:
                await self._rest(seen)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new()

    @workflow.signal
    def look(self) -> None:
        """Somebody has met trouble, or has brought credentials."""
        self._asked = True

    @workflow.signal
    def probe(self) -> None:
        """An operator wants the court probed now, if it is known not to answer."""
        self._asked = self._probe_asked = True

    async def _probe(self) -> None:
        self._untried = False
        if await workflow.execute_activity_method(CourtWatchActivities.probe_court, **COURT_ERRAND):
            await workflow.execute_activity_method(CourtWatchActivities.wake_waiting_runs, **CATALOG)

    @property
    def _may_renew(self) -> bool:
        return self._renew_not_before is None or workflow.now() >= self._renew_not_before

    async def _renew(self) -> None:
        renewed = await workflow.execute_activity_method(CourtWatchActivities.renew_credentials, **COURT_ERRAND)
        if renewed:
            self._renewals_in_vain, self._renew_not_before, self._untried = 0, None, True
        else:
            self._renew_not_before = workflow.now() + probe_delay(self._renewals_in_vain)
            self._renewals_in_vain += 1

    @property
    def _may_try(self) -> bool:
        return self._try_not_before is None or workflow.now() >= self._try_not_before

    async def _try_credentials(self) -> None:
        if await workflow.execute_activity_method(CourtWatchActivities.try_credentials, **COURT_ERRAND):
            self._trials_in_vain, self._try_not_before = 0, None
        else:
            self._try_not_before = workflow.now() + probe_delay(self._trials_in_vain)
            self._trials_in_vain += 1

    async def _rest(self, seen: CourtExamination) -> None:
        waits = [_WHILE_REFUSED if seen.failure_code is FailureCode.CREDENTIALS_REJECTED else _IDLE]
        if seen.probe_in_seconds is not None:
            waits.append(timedelta(seconds=seen.probe_in_seconds))
        if seen.renew_in_seconds is not None and self._may_renew:
            waits.append(timedelta(seconds=seen.renew_in_seconds))
        elif self._renew_not_before is not None:
            waits.append(self._renew_not_before - workflow.now())
        if seen.candidate_version and self._try_not_before is not None:
            waits.append(self._try_not_before - workflow.now())
        # Whether somebody asks or something is due: look.
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._asked,
                timeout=max(min(waits), _SHORTEST_REST),
                timeout_summary="until something is due",
            )

    def _take_note(self, seen: CourtExamination) -> None:
        if not seen.failure_code:
            self._probe_asked = self._untried = False
        if seen.credentials_version != self._credentials_version:
            # What was in vain with others may go well with these.
            self._credentials_version = seen.credentials_version
            self._renewals_in_vain, self._renew_not_before = 0, None
        if seen.candidate_version != self._candidate_version:
            self._candidate_version = seen.candidate_version
            self._trials_in_vain, self._try_not_before = 0, None
        self._describe(seen)

    def _describe(self, seen: CourtExamination) -> None:
        state = f"does not answer: `{seen.failure_code}`" if seen.failure_code else "answers, as far as is known"
        lines = [f"The court **{state}**."]
        if seen.probe_in_seconds is not None:
            lines.append(f"Next probe in {seen.probe_in_seconds:.0f} s.")
        if seen.token_expires_at:
            lines.append(f"Its token ends at {seen.token_expires_at}.")
        if seen.renew_in_seconds is not None:
            lines.append(f"Renewed in {seen.renew_in_seconds:.0f} s.")
        workflow.set_current_details("\n\n".join(lines))
