"""Download every document of one process into the object store: the main workflow."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.deliver_webhook import start_delivery
from workflows.details import ended_run_details, run_details, show_end, show_phase
from workflows.failures import Blame, JudgedFailure, is_cancel_requested, judge_failure
from workflows.options import CATALOG, DOWNLOAD, DOWNLOAD_WINDOW, LISTING, MAX_CHOSEN_DOCUMENTS
from workflows.pending_documents import PendingDocuments
from workflows.search_attributes import CHOSEN_DOCUMENTS

with workflow.unsafe.imports_passed_through():
    from activities.catalog import CatalogActivities
    from activities.court import CourtActivities
    from activities.court_monitor import CourtMonitorActivities
    from activities.storage import StorageActivities
    from domain.completeness import Completeness, Outcome, Phase
    from domain.errors import FailureCode
    from domain.run_messages import (
        DocumentChoice,
        DocumentGivenUp,
        DocumentRef,
        DownloadRequest,
        ProcessRef,
        RunClosing,
        RunEnding,
        RunOpening,
        RunResult,
        count_chosen,
        real_choice,
    )


@workflow.defn
class DownloadProcess:
    """One run for one process. Its id is the process number, so that a second run cannot exist.

    It lists the process, downloads the missing documents through a sliding window, waits while the court or the
    store is unavailable, and starts a delivery for every subscriber. Its state holds counters and ids only: the
    catalog knows what is stored.
    """

    @workflow.init
    def __init__(self, request: DownloadRequest) -> None:
        self._process = ProcessRef(request.process_number, request.document_ids)
        self._request = request
        self._progress = request.progress
        self._counts = Completeness()
        self._phase = Phase.LISTING
        self._shown_phase: Phase | None = None
        self._pending = PendingDocuments(self._process)
        self._interruption: JudgedFailure | None = None
        self._ending: RunEnding | None = request.progress.ending
        self._subscribed = False
        self._court_signalled = False

    @workflow.run
    async def run(self, request: DownloadRequest) -> RunResult:
        """List and download. However the run ends, its end is recorded and every subscriber is notified.

        Raises:
            CancelledError: The run was cancelled.
        """
        if self._ending is None:
            try:
                self._ending = await self._run_to_ending()
            except (ActivityError, asyncio.CancelledError) as error:
                failure = judge_failure(error, cancel_requested=is_cancel_requested())
                self._ending = (
                    RunEnding(Outcome.CANCELLED)
                    if failure.blame is Blame.CANCELLATION
                    else RunEnding(Outcome.FAILED, failure.code, failure.answer)
                )
        result = await self._finish_despite_cancellation(self._ending)
        if result is None:
            self._continue_as_new()
        if is_cancel_requested() and self._ending.outcome is Outcome.CANCELLED:
            raise asyncio.CancelledError
        return result

    # Signals and updates, from operators and the API.

    @workflow.signal
    def subscribe(self) -> None:
        """Take note of a new subscription in the catalog, even while the run is ending."""
        self._subscribed = True

    @workflow.signal
    def court_answers(self) -> None:
        """The court answers again: a run that waits for it reads its state at once."""
        self._court_signalled = True

    @workflow.update
    def pause(self) -> str:
        """Start no further download; those in progress are finished. Returns the phase."""
        self._progress = replace(self._progress, paused=True)
        self._show_phase()
        return self._visible_phase.value

    @pause.validator
    def _check_pause(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    def resume(self) -> str:
        """Continue after a pause. Returns the phase."""
        self._progress = replace(self._progress, paused=False)
        self._show_phase()
        return self._visible_phase.value

    @resume.validator
    def _check_resume(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    async def retry_failed(self) -> int:
        """Retry all failed documents, whatever their failure code. Returns how many there are.

        A run for chosen documents becomes a run for all, as a new run would be.
        """
        if self._process.document_ids:
            self._set_choice(())
        return await workflow.execute_activity_method(
            CatalogActivities.retry_failed_documents, self._process, **CATALOG
        )

    @retry_failed.validator
    def _check_retry_failed(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    def widen(self, choice: DocumentChoice) -> None:
        """Add documents to a run for chosen ones, or make it a run for all. Those that failed are retried."""
        self._progress = replace(self._progress, named=(*self._progress.named, *choice.document_ids))
        wider = real_choice((*self._process.document_ids, *choice.document_ids))
        self._set_choice(wider if self._process.document_ids and choice.document_ids else ())

    @widen.validator
    def _check_widen(self, choice: DocumentChoice) -> None:
        self._refuse_when_finishing()

    def _set_choice(self, document_ids: tuple[str, ...]) -> None:
        if len(document_ids) > MAX_CHOSEN_DOCUMENTS:
            document_ids = ()
        self._progress = replace(self._progress, widened=True)
        self._process = replace(self._process, document_ids=document_ids)
        self._request = replace(self._request, document_ids=document_ids)
        workflow.upsert_memo({CHOSEN_DOCUMENTS: len(document_ids)})

    def _refuse_when_finishing(self) -> None:
        if self._ending is not None:
            raise ApplicationError("The run is finishing; start a new one.", type="run_finishing")

    # From the listing to the ending.

    async def _run_to_ending(self) -> RunEnding:
        if not self._progress.listed:
            self._enter_phase(Phase.LISTING)
            await self._record_opening()
            failure = await self._list_process()
            if failure is not None:
                return RunEnding(Outcome.FAILED, failure.code, failure.answer)
            self._progress = replace(self._progress, listed=True)
        while True:
            if is_cancel_requested():
                raise asyncio.CancelledError
            if self._progress.widened:
                # Failed documents among those that were added are retried as well.
                await self._record_opening()
            requested = self._process
            self._counts = await workflow.execute_activity_method(
                CatalogActivities.check_completeness, requested, **CATALOG
            )
            if requested is not self._process:
                continue
            if self._counts.pending == 0:
                # An accepted retry makes documents pending again.
                if workflow.all_handlers_finished():
                    return RunEnding(self._counts.outcome)
                await workflow.wait_condition(workflow.all_handlers_finished)
                continue
            await self._download_pending()
            if self._interruption is not None:
                await self._wait_for_recovery(self._interruption)
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()

    async def _record_opening(self) -> None:
        opening = RunOpening(
            *(self._request.process_number, self._run_id, self._request.client, self._process.document_ids),
            retry_permanent=self._request.retry_permanent and not self._progress.listed,
            named=self._progress.named,
            is_look=self._request.is_look,
        )
        self._progress = replace(self._progress, widened=False, named=())
        await workflow.execute_activity_method(CatalogActivities.open_run, opening, **CATALOG)

    async def _list_process(self) -> JudgedFailure | None:
        """List the process. Returns the failure, or None if it was listed."""
        while True:
            await self._wait_while_paused()
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()
            self._enter_phase(Phase.LISTING)
            try:
                await workflow.execute_activity_method(CourtActivities.list_documents, self._process, **LISTING)
            except (ActivityError, asyncio.CancelledError) as error:
                failure = judge_failure(error, cancel_requested=is_cancel_requested())
                if failure.blame is Blame.CANCELLATION:
                    raise asyncio.CancelledError from error
                if failure.blame is not Blame.COURT:
                    return failure
                await self._wait_for_recovery(failure)
            else:
                return None

    async def _download_pending(self) -> None:
        self._enter_phase(Phase.DOWNLOADING)
        self._pending, self._interruption = PendingDocuments(self._process), None
        window = min(DOWNLOAD_WINDOW, self._counts.pending)
        # An exception must not leave the other pullers running behind the workflow's back.
        ended = await asyncio.gather(*(self._download_until_done() for _ in range(window)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _download_until_done(self) -> None:
        while await self._may_continue():
            document = await self._pending.next()
            # The state may have changed while the page of ids was read.
            if document is None or not await self._may_continue():
                return
            await self._download(document)

    async def _may_continue(self) -> bool:
        await self._wait_while_paused()
        stopping = self._interruption is not None or is_cancel_requested()
        return not stopping and not self._must_continue_as_new

    async def _wait_while_paused(self) -> None:
        """Wait while the run is paused, but not beyond the size limit of a history: signals make it grow."""
        if self._progress.paused:
            await workflow.wait_condition(lambda: not self._progress.paused or self._must_continue_as_new)

    async def _download(self, document: DocumentRef) -> None:
        try:
            downloaded = await workflow.execute_activity_method(
                CourtActivities.download_document,
                document,
                summary=f"document {document.position} of {self._counts.total}",
                **DOWNLOAD,
            )
        except (ActivityError, asyncio.CancelledError) as error:
            await self._handle_failure(document, judge_failure(error, cancel_requested=is_cancel_requested()))
        else:
            self._progress = replace(
                self._progress,
                downloaded=self._progress.downloaded + 1,
                downloaded_bytes=self._progress.downloaded_bytes + downloaded.size_bytes,
            )
        self._describe()

    async def _handle_failure(self, document: DocumentRef, failure: JudgedFailure) -> None:
        match failure.blame:
            case Blame.CANCELLATION:
                raise asyncio.CancelledError
            case Blame.COURT | Blame.STORE:
                self._interruption = failure
                return
            case Blame.DEFECT:
                # The activity could not record the failure itself.
                await workflow.execute_activity_method(
                    CatalogActivities.give_up_document,
                    DocumentGivenUp(document, failure.code, failure.answer),
                    **CATALOG,
                )
        self._progress = replace(self._progress, failed=self._progress.failed + 1)

    async def _wait_for_recovery(self, interruption: JudgedFailure) -> None:
        """Wait until the court answers or the store takes writes. The run only reads the circuit breaker."""
        is_store = interruption.blame is Blame.STORE
        read_state = StorageActivities.read_store_state if is_store else CourtMonitorActivities.read_court_state
        self._enter_phase(Phase.WAITING_FOR_STORE if is_store else Phase.WAITING_FOR_COURT, interruption.code)
        while True:
            self._court_signalled = False
            state = await workflow.execute_activity_method(read_state, **CATALOG)
            if state.answers:
                return
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()
            # Read the state again at the signal, or after this time without one.
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._court_signalled,
                    timeout=timedelta(seconds=state.look_again_seconds),
                    timeout_summary=f"waiting for the {'store' if is_store else 'court'}: {interruption.code}",
                )

    @property
    def _must_continue_as_new(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    async def _drain_and_continue_as_new(self) -> NoReturn:
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._continue_as_new()

    # Finishing.

    async def _finish_despite_cancellation(self, ending: RunEnding) -> RunResult | None:
        """Finish even if the run is cancelled meanwhile: its end is known, and subscribers wait for it."""
        finishing = asyncio.ensure_future(self._finish(ending))
        while not finishing.done():
            try:
                await asyncio.shield(finishing)
            except asyncio.CancelledError:
                if finishing.cancelled():
                    raise
        return finishing.result()

    async def _finish(self, ending: RunEnding) -> RunResult | None:
        """Record the ending and start a delivery per subscriber. Returns None if a new execution must continue."""
        # An execution that only continues the notifications does not end the run again. One that was reset does.
        execution = self._progress.ending_execution or workflow.info().run_id
        self._progress = replace(self._progress, ending=ending, ending_execution=execution)
        self._enter_phase(Phase.FINISHING)
        while True:
            self._subscribed = False
            closed = await workflow.execute_activity_method(
                CatalogActivities.close_run,
                RunClosing(
                    self._request.process_number,
                    self._run_id,
                    ending,
                    self._progress.announced,
                    count_chosen(self._process.document_ids),
                    execution,
                ),
                **CATALOG,
            )
            self._counts = closed.documents
            await asyncio.gather(
                *(start_delivery(delivery, self._request.process_number) for delivery in closed.deliveries)
            )
            if closed.deliveries:
                self._progress = replace(self._progress, announced=closed.deliveries[-1].number)
            elif not self._subscribed:
                break
            if workflow.info().is_continue_as_new_suggested():
                return None
        show_end(ending, self._counts)
        details = ended_run_details(self._request.process_number, ending, closed, self._progress)
        workflow.set_current_details(details)
        return RunResult(
            outcome=ending.outcome,
            total_documents=self._counts.total,
            available_documents=self._counts.available,
            failed_documents=self._counts.failed,
            downloaded_documents=self._progress.downloaded,
            downloaded_bytes=self._progress.downloaded_bytes,
            failure_code=ending.failure_code,
        )

    @property
    def _run_id(self) -> str:
        return workflow.info().first_execution_run_id

    def _continue_as_new(self) -> NoReturn:
        # Continue-as-new would hand on the memo of the first execution, not the one that was upserted since.
        chosen = count_chosen(self._process.document_ids)
        memo = {CHOSEN_DOCUMENTS: chosen} if CHOSEN_DOCUMENTS in workflow.memo() else None
        workflow.continue_as_new(replace(self._request, progress=self._progress), memo=memo)

    @property
    def _visible_phase(self) -> Phase:
        return Phase.PAUSED if self._progress.paused and self._ending is None else self._phase

    def _enter_phase(self, phase: Phase, reason: FailureCode | None = None) -> None:
        self._phase = phase
        self._show_phase(reason)

    def _show_phase(self, reason: FailureCode | None = None) -> None:
        if self._visible_phase is not self._shown_phase:
            self._shown_phase = self._visible_phase
            show_phase(self._visible_phase, self._counts, self._ending)
        self._describe(reason)

    def _describe(self, reason: FailureCode | None = None) -> None:
        workflow.set_current_details(run_details(self._visible_phase, reason, self._counts, self._progress))
