"""Bringing every document of one process into the store: the main job."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.deliver_webhook import start_delivery
from workflows.details import run_details, show_phase
from workflows.failures import Blame, JudgedFailure, is_cancel_requested, judge_failure
from workflows.options import (
    CATALOG,
    DOWNLOAD,
    DOWNLOAD_WINDOW,
    LISTING,
    MOST_CHOSEN,
)
from workflows.pending_documents import PendingDocuments
from workflows.search_attributes import CHOSEN_DOCUMENTS, DOCUMENTS_FAILED, OUTCOME

with workflow.unsafe.imports_passed_through():
    from activities.catalog import CatalogActivities
    from activities.court import CourtActivities
    from activities.court_watch import CourtWatchActivities
    from activities.storage import StorageActivities
    from domain.completeness import Completeness, Outcome, Phase
    from domain.errors import FailureCode
    from domain.messages import (
        DocumentChoice,
        DocumentGivenUp,
        DocumentRef,
        DownloadRequest,
        ProcessRef,
        RunClosing,
        RunEnding,
        RunOpening,
        RunResult,
    )


@workflow.defn
class DownloadProcess:
    """One run for one process; its id is the process number, so that a second one cannot exist.

    Lists the process, downloads what is missing through a sliding window, waits where the court cannot answer, and
    has every subscriber told. Holds counters and ids; what is stored is the catalog's to say.
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
        self._trouble: JudgedFailure | None = None
        self._ending: RunEnding | None = request.progress.ending
        self._subscribed = False
        self._court_news = False

    @workflow.run
    async def run(self, request: DownloadRequest) -> RunResult:
        """Do the job. However it ends, the end is recorded and every subscriber is told.

        Raises:
            CancelledError: The run was cancelled.
        """
        if self._ending is None:
            try:
                self._ending = await self._reach_ending()
            except (ActivityError, asyncio.CancelledError) as error:
                failure = judge_failure(error, cancel_requested=is_cancel_requested())
                self._ending = (
                    RunEnding(Outcome.CANCELLED)
                    if failure.blame is Blame.CANCELLATION
                    else RunEnding(Outcome.FAILED, failure.code, failure.answer)
                )
        result = await self._finish_unhurt(self._ending)
        if result is None:
            self._continue_as_new()
        if is_cancel_requested() and self._ending.outcome is Outcome.CANCELLED:
            raise asyncio.CancelledError
        return result

    # What operators and the API may say to a run.

    @workflow.signal
    def subscribe(self) -> None:
        """A subscription is waiting in the catalog: it is told when this run ends, even if it is ending already."""
        self._subscribed = True

    @workflow.signal
    def court_answers(self) -> None:
        """The court has been found well: a run that waits for it looks again."""
        self._court_news = True

    @workflow.update
    def pause(self) -> str:
        """Take no further document; those on their way are finished. Says the phase."""
        self._progress = replace(self._progress, paused=True)
        self._show()
        return self._visible_phase.value

    @pause.validator
    def _check_pause(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    def resume(self) -> str:
        """Go on after a pause. Says the phase."""
        self._progress = replace(self._progress, paused=False)
        self._show()
        return self._visible_phase.value

    @resume.validator
    def _check_resume(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    async def retry_failed(self) -> int:
        """Try the failed documents again, whatever they failed for. Says how many.

        A run for chosen documents takes all, as a new run would.
        """
        if self._process.document_ids:
            self._choose(())
        return await workflow.execute_activity_method(
            CatalogActivities.retry_failed_documents, self._process, **CATALOG
        )

    @retry_failed.validator
    def _check_retry_failed(self) -> None:
        self._refuse_when_finishing()

    @workflow.update
    def widen(self, choice: DocumentChoice) -> None:
        """Download these documents too, or all, if this run is for chosen ones; try again what failed of them."""
        self._progress = replace(self._progress, named=(*self._progress.named, *choice.document_ids))
        wider = (*self._process.document_ids, *choice.document_ids)
        self._choose(tuple(dict.fromkeys(wider)) if self._process.document_ids and choice.document_ids else ())

    @widen.validator
    def _check_widen(self, choice: DocumentChoice) -> None:
        self._refuse_when_finishing()

    def _choose(self, document_ids: tuple[str, ...]) -> None:
        if len(document_ids) > MOST_CHOSEN:
            document_ids = ()
        self._progress = replace(self._progress, widened=True)
        self._process = replace(self._process, document_ids=document_ids)
        self._request = replace(self._request, document_ids=document_ids)
        workflow.upsert_memo({CHOSEN_DOCUMENTS: len(document_ids)})

    def _refuse_when_finishing(self) -> None:
        if self._ending is not None:
            raise ApplicationError("The run is finishing; start a new one.", type="run_finishing")

    # The way from the listing to an ending.

    async def _reach_ending(self) -> RunEnding:
        if not self._progress.listed:
            self._enter(Phase.LISTING)
            await self._open()
            failure = await self._list()
            if failure is not None:
                return RunEnding(Outcome.FAILED, failure.code, failure.answer)
            self._progress = replace(self._progress, listed=True)
        while True:
            if is_cancel_requested():
                raise asyncio.CancelledError
            if self._progress.widened:
                # What failed among the documents that have come is to be tried as well.
                await self._open()
            asked_for = self._process
            self._counts = await workflow.execute_activity_method(
                CatalogActivities.check_completeness, asked_for, **CATALOG
            )
            if asked_for is not self._process:
                continue
            if self._counts.pending == 0:
                # A retry that has been accepted makes documents pending again.
                if workflow.all_handlers_finished():
                    return RunEnding(self._counts.outcome)
                await workflow.wait_condition(workflow.all_handlers_finished)
                continue
            await self._download_pending()
            if self._trouble is not None:
                await self._wait_out(self._trouble)
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()

    async def _open(self) -> None:
        opening = RunOpening(
            *(self._request.process_number, self._run_id, self._request.client, self._process.document_ids),
            retry_permanent=self._request.retry_permanent and not self._progress.listed,
            named=self._progress.named,
        )
        self._progress = replace(self._progress, widened=False, named=())
        await workflow.execute_activity_method(CatalogActivities.open_run, opening, **CATALOG)

    async def _list(self) -> JudgedFailure | None:
        """List the process. Returns the failure if the process cannot be listed."""
        while True:
            await self._while_paused()
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()
            self._enter(Phase.LISTING)
            try:
                await workflow.execute_activity_method(CourtActivities.list_documents, self._process, **LISTING)
            except (ActivityError, asyncio.CancelledError) as error:
                failure = judge_failure(error, cancel_requested=is_cancel_requested())
                if failure.blame is Blame.CANCELLATION:
                    raise asyncio.CancelledError from error
                if failure.blame is not Blame.COURT:
                    return failure
                await self._wait_out(failure)
            else:
                return None

    async def _download_pending(self) -> None:
        self._enter(Phase.DOWNLOADING)
        self._pending, self._trouble = PendingDocuments(self._process), None
        window = min(DOWNLOAD_WINDOW, self._counts.pending)
        # An exception must not leave the other pullers running behind the workflow's back.
        ended = await asyncio.gather(*(self._pull() for _ in range(window)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _pull(self) -> None:
        while await self._may_go_on():
            document = await self._pending.next()
            # While the page was on its way, things may have changed.
            if document is None or not await self._may_go_on():
                return
            await self._download(document)

    async def _may_go_on(self) -> bool:
        await self._while_paused()
        stopping = self._trouble is not None or is_cancel_requested()
        return not stopping and not self._must_continue_as_new

    async def _while_paused(self) -> None:
        """Wait while the run is paused, but not beyond the length of a history: signals make it grow meanwhile."""
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
            await self._take_failure(document, judge_failure(error, cancel_requested=is_cancel_requested()))
        else:
            self._progress = replace(
                self._progress,
                downloaded=self._progress.downloaded + 1,
                downloaded_bytes=self._progress.downloaded_bytes + downloaded.size_bytes,
            )
        self._describe()

    async def _take_failure(self, document: DocumentRef, failure: JudgedFailure) -> None:
        match failure.blame:
            case Blame.CANCELLATION:
                raise asyncio.CancelledError
            case Blame.COURT | Blame.STORE:
                self._trouble = failure
                return
            case Blame.DEFECT:
                # The activity could not record it.
                await workflow.execute_activity_method(
                    CatalogActivities.give_up_document,
                    DocumentGivenUp(document, failure.code, failure.answer),
                    **CATALOG,
                )
        self._progress = replace(self._progress, failed=self._progress.failed + 1)

    async def _wait_out(self, trouble: JudgedFailure) -> None:
        """Wait until the court answers, or the store takes writes. This run itself asks neither."""
        store = trouble.blame is Blame.STORE
        consult = StorageActivities.consult_store if store else CourtWatchActivities.consult_court
        self._enter(Phase.WAITING_FOR_STORE if store else Phase.WAITING_FOR_COURT, trouble.code)
        while True:
            self._court_news = False
            advice = await workflow.execute_activity_method(consult, **CATALOG)
            if advice.answers:
                return
            if self._must_continue_as_new:
                await self._drain_and_continue_as_new()
            # Look again when somebody says so, or when nobody has said anything for so long.
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._court_news,
                    timeout=timedelta(seconds=advice.look_again_seconds),
                    timeout_summary=f"waiting for the {'store' if store else 'court'}: {trouble.code}",
                )

    @property
    def _must_continue_as_new(self) -> bool:
        return workflow.info().is_continue_as_new_suggested()

    async def _drain_and_continue_as_new(self) -> NoReturn:
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._continue_as_new()

    # The end.

    async def _finish_unhurt(self, ending: RunEnding) -> RunResult | None:
        """Finish even if the run is cancelled meanwhile: its end has been reached, and subscribers wait for it."""
        finishing = asyncio.ensure_future(self._finish(ending))
        while not finishing.done():
            try:
                await asyncio.shield(finishing)
            except asyncio.CancelledError:
                if finishing.cancelled():
                    raise
        return finishing.result()

    async def _finish(self, ending: RunEnding) -> RunResult | None:
        """Record the ending and start a delivery per subscriber; none if that must go on in a new execution."""
        # An execution that only goes on telling does not end the run a second time; one that was reset does.
        execution = self._progress.ending_execution or workflow.info().run_id
        self._progress = replace(self._progress, ending=ending, ending_execution=execution)
        self._enter(Phase.FINISHING)
        while True:
            self._subscribed = False
            closed = await workflow.execute_activity_method(
                CatalogActivities.close_run,
                RunClosing(
                    self._request.process_number,
                    self._run_id,
                    ending,
                    self._progress.announced,
                    len(self._process.document_ids),
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
        workflow.upsert_search_attributes(
            [OUTCOME.value_set(ending.outcome.value), DOCUMENTS_FAILED.value_set(self._counts.failed)]
        )
        self._describe()
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
        # The memo of the first execution is handed on, not what was put in its place since.
        chosen = len(self._process.document_ids)
        memo = {CHOSEN_DOCUMENTS: chosen} if CHOSEN_DOCUMENTS in workflow.memo() else None
        workflow.continue_as_new(replace(self._request, progress=self._progress), memo=memo)

    @property
    def _visible_phase(self) -> Phase:
        return Phase.PAUSED if self._progress.paused and self._ending is None else self._phase

    def _enter(self, phase: Phase, reason: FailureCode | None = None) -> None:
        self._phase = phase
        self._show(reason)

    def _show(self, reason: FailureCode | None = None) -> None:
        if self._visible_phase is not self._shown_phase:
            self._shown_phase = self._visible_phase
            show_phase(self._visible_phase, self._counts)
        self._describe(reason)

    def _describe(self, reason: FailureCode | None = None) -> None:
        workflow.set_current_details(run_details(self._visible_phase, reason, self._counts, self._progress))
