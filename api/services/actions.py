"""Retry, pause, resume and cancel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from api.presenters import ProcessPresenter
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.services.downloads import DownloadService
from domain.completeness import Outcome
from domain.open_runs import NoOpenRun, RunIsFinishing
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.serializers import Json

if TYPE_CHECKING:
    from adapters.temporal.run_client import RunClient
    from adapters.temporal.run_control import RunControlClient

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The state after an action.

    Attributes:
        body: The process's ``StatusBody``.
        run_open: Whether a run is open.
    """

    body: Json
    run_open: bool


@dataclass(frozen=True, slots=True)
class ProcessActionService:
    """Actions on processes, for the API's routes and for the page. All are idempotent.

    Every action raises:
        Problem: 404 for an unknown process, 409 if the action does not apply to the process's state.
        DependencyUnavailable: The database or Temporal does not answer.
    """

    presenter: ProcessPresenter
    downloads: DownloadService
    runs: RunClient
    controls: RunControlClient

    async def retry(self, number: ProcessNumber, client: str) -> ActionResult:
        """Retry what failed, in the open run or in a new one. A new one also downloads what is missing.

        The body has ``retried_documents`` as well.
        """
        process, open_run = await self.presenter.get_state(number)
        if open_run is not None:
            try:
                documents = await self.controls.retry_failed(number)
                _log.info("retry", process=number.canonical, run=open_run.id, client=client, documents=documents)
                return await self._retry_result(number, documents)
            except (NoOpenRun, RunIsFinishing):
                await self.runs.wait_until_closed(number)
            process, _ = await self.presenter.get_state(number)
        if process.failure is None and process.listed_at is not None and not _is_incomplete(process):
            raise Problem(
                ProblemCode.NOTHING_TO_RETRY,
                f"Nothing has failed in {number}. To ask the court for new documents, request a download with "
                "max_age=0.",
            )
        await self.downloads.request(number, client, max_age=timedelta(0))
        return await self._retry_result(number, process.documents.failed)

    async def pause(self, number: ProcessNumber, client: str) -> ActionResult:
        """Pause the open run: it starts no further download."""
        return await self._control("pause", number, client, self.controls.pause)

    async def resume(self, number: ProcessNumber, client: str) -> ActionResult:
        """Resume the open run."""
        return await self._control("resume", number, client, self.controls.resume)

    async def cancel(self, number: ProcessNumber, client: str) -> ActionResult:
        """Cancel the open run, and wait up to two seconds for its end."""
        process, open_run = await self.presenter.get_state(number)
        # The catalog may not have a run yet that was started a moment ago.
        open_run = open_run or await self.runs.find_open(number)
        if open_run is not None:
            try:
                await self.controls.cancel(number)
            except NoOpenRun:
                raise _no_open_run(number) from None
            _log.info("cancel", process=number.canonical, run=open_run.id, client=client)
            await self.runs.wait_until_closed(number)
        elif process.latest_run is None or process.latest_run.outcome is not Outcome.CANCELLED:
            raise _no_open_run(number, (await self._result(number)).body["status"])
        return await self._result(number)

    async def _control(
        self, name: str, number: ProcessNumber, client: str, control: Callable[[ProcessNumber], Awaitable[None]]
    ) -> ActionResult:
        await self.presenter.get_state(number)
        try:
            open_run = await self.runs.find_open(number)
            if open_run is None:
                raise NoOpenRun
            await control(number)
        except NoOpenRun:
            raise _no_open_run(number, (await self._result(number)).body["status"]) from None
        except RunIsFinishing as error:
            raise Problem(ProblemCode.RUN_FINISHING, str(error)) from None
        _log.info(name, process=number.canonical, run=open_run.id, client=client)
        return await self._result(number)

    async def _retry_result(self, number: ProcessNumber, documents: int) -> ActionResult:
        result = await self._result(number)
        result.body["retried_documents"] = documents
        return result

    async def _result(self, number: ProcessNumber) -> ActionResult:
        process, open_run = await self.presenter.get_state(number)
        return ActionResult(await self.presenter.status_body(process, open_run), open_run is not None)


def _is_incomplete(process: Process) -> bool:
    return bool(process.documents.failed or process.documents.pending)


def _no_open_run(number: ProcessNumber, status: str | None = None) -> Problem:
    state = f" It is {status}." if status else ""
    return Problem(ProblemCode.NO_OPEN_RUN, f"No run is open for {number}.{state} Ask for a download to start one.")
