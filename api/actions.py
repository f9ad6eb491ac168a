"""Retry, pause, resume and cancel: acts on a process, and the state that they have led to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.access import Downloader, Starter
from api.answers import Answers
from api.controls import Controls, no_open_run
from api.downloads import Downloads
from api.parameters import NoQuery, Number
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.runs import Runs
from api.schemas import RetriedBody, StatusBody
from domain.completeness import Outcome
from domain.process_number import ProcessNumber
from domain.processes import Process
from domain.representation import Json

_log = structlog.get_logger()

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 409))


@dataclass(frozen=True, slots=True)
class Reached:
    """Where an act has led to.

    Attributes:
        status: the process's status body.
        open: whether a run is open.
    """

    status: Json
    open: bool


@dataclass(frozen=True, slots=True)
class Actions:
    """Acts on processes, for the API's routes and for the page. Harmless when repeated.

    Every act raises:
        Problem: 404 for a process that is unknown, 409 in a state in which the act makes no sense.
        DependencyUnavailable: the database or Temporal does not answer.
    """

    answers: Answers
    downloads: Downloads
    runs: Runs
    controls: Controls

    async def retry(self, number: ProcessNumber, client: str) -> Reached:
        """Try what failed again: in the run that is open, or in a new one, which also takes what is missing."""
        process, open_run = await self.answers.known(number)
        if open_run is not None:
            try:
                documents = await self.controls.retry_failed(number)
                _log.info("retry", process=number.canonical, client=client, documents=documents)
                return await self._retried(number, documents)
            except Problem as problem:
                if problem.code not in (ProblemCode.NO_OPEN_RUN, ProblemCode.RUN_FINISHING):
                    raise
            await self.runs.closed(number)
            process, _ = await self.answers.known(number)
        if process.failure is None and process.listed_at is not None and not _lacks_something(process):
            raise Problem(
                ProblemCode.NOTHING_TO_RETRY,
                f"Nothing of {number} has failed. A download with max_age=0 has the court asked for what is new.",
            )
        await self.downloads.request(number, client, max_age=timedelta(0))
        return await self._retried(number, process.documents.failed)

    async def pause(self, number: ProcessNumber, client: str) -> Reached:
        """Have the open run take no further document."""
        return await self._acted("pause", number, client, self.controls.pause)

    async def resume(self, number: ProcessNumber, client: str) -> Reached:
        """Have the open run go on."""
        return await self._acted("resume", number, client, self.controls.resume)

    async def cancel(self, number: ProcessNumber, client: str) -> Reached:
        """Have the open run end; wait a moment for it."""
        process, open_run = await self.answers.known(number)
        # The catalog may not have heard yet of a run that was started a moment ago.
        if open_run is not None or await self.runs.find_open(number) is not None:
            await self.controls.cancel(number)
            _log.info("cancel", process=number.canonical, client=client)
            await self.runs.closed(number)
        elif process.latest_run is None or process.latest_run.outcome is not Outcome.CANCELLED:
            raise no_open_run(number, (await self._reached(number)).status["status"])
        return await self._reached(number)

    async def _acted(
        self, name: str, number: ProcessNumber, client: str, act: Callable[[ProcessNumber], Awaitable[None]]
    ) -> Reached:
        await self.answers.known(number)
        try:
            if await self.runs.find_open(number) is None:
                raise no_open_run(number)
            await act(number)
        except Problem as problem:
            if problem.code is ProblemCode.NO_OPEN_RUN:
                raise no_open_run(number, (await self._reached(number)).status["status"]) from None
            raise
        _log.info(name, process=number.canonical, client=client)
        return await self._reached(number)

    async def _retried(self, number: ProcessNumber, documents: int) -> Reached:
        reached = await self._reached(number)
        reached.status["retried_documents"] = documents
        return reached

    async def _reached(self, number: ProcessNumber) -> Reached:
        process, open_run = await self.answers.known(number)
        return Reached(await self.answers.status(process, open_run), open_run is not None)


def _lacks_something(process: Process) -> bool:
    return bool(process.documents.failed or process.documents.pending)


@router.post("/retry", status_code=202, summary="Try what failed again", response_model=RetriedBody)
async def post_retry(
    request: Request, number: Number, client: Starter, query: Annotated[NoQuery, Query()]
) -> Response:
    """Give failed documents their attempts again, in the run that is open or in a new one.

    A new run also takes what is missing for other reasons. What failed for a reason that usually stays, such as
    `sealed`, is tried once more, too.
    """
    reached = await _actions(request).retry(number, client.name)
    return _answer(reached, 202)


@router.post("/pause", summary="Pause the run", response_model=StatusBody)
async def post_pause(
    request: Request, number: Number, client: Downloader, query: Annotated[NoQuery, Query()]
) -> Response:
    """Take no further document; those on their way are finished."""
    reached = await _actions(request).pause(number, client.name)
    return _answer(reached, 200)


@router.post("/resume", summary="Go on after a pause", response_model=StatusBody)
async def post_resume(
    request: Request, number: Number, client: Downloader, query: Annotated[NoQuery, Query()]
) -> Response:
    """Go on with the documents that are missing."""
    reached = await _actions(request).resume(number, client.name)
    return _answer(reached, 200)


@router.post(
    "/cancel",
    summary="End the run",
    response_model=StatusBody,
    responses={202: {"model": StatusBody, "description": "The run is still ending."}},
)
async def post_cancel(
    request: Request, number: Number, client: Downloader, query: Annotated[NoQuery, Query()]
) -> Response:
    """End the run; what is stored stays, and subscribers are told."""
    reached = await _actions(request).cancel(number, client.name)
    return _answer(reached, 202 if reached.open else 200)


def _actions(request: Request) -> Actions:
    actions: Actions = request.app.state.actions
    return actions


def _answer(reached: Reached, status: int) -> Response:
    return JSONResponse(reached.status, status)
