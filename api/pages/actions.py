"""The buttons of a process's page: the same actions as the API's routes, then a redirect to the page."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.deps import ActionServiceDep, Downloader, DownloadServiceDep, StartingDownloader
from api.pages.forms import Form
from api.pages.rendering import PageRoute
from api.problems.problem import Problem
from api.schemas.parameters import Number
from domain.process_number import ProcessNumber

_CONFLICT = 409

router = APIRouter(prefix="/ui/processes/{number}", route_class=PageRoute, include_in_schema=False)


@router.post("/download")
async def download(
    number: Number, client: StartingDownloader, form: Form, downloads: DownloadServiceDep
) -> Response:
    """Download what is missing."""
    return await _run_and_redirect(number, downloads.request(number, client.name))


@router.post("/update")
async def update(number: Number, client: StartingDownloader, form: Form, downloads: DownloadServiceDep) -> Response:
    """Ask the court for its list again, however recent the known one is."""
    return await _run_and_redirect(number, downloads.request(number, client.name, max_age=timedelta(0)))


@router.post("/retry")
async def retry(number: Number, client: StartingDownloader, form: Form, actions: ActionServiceDep) -> Response:
    """Retry what failed."""
    return await _run_and_redirect(number, actions.retry(number, client.name))


@router.post("/pause")
async def pause(number: Number, client: Downloader, form: Form, actions: ActionServiceDep) -> Response:
    """Pause the open run."""
    return await _run_and_redirect(number, actions.pause(number, client.name))


@router.post("/resume")
async def resume(number: Number, client: Downloader, form: Form, actions: ActionServiceDep) -> Response:
    """Resume a paused run."""
    return await _run_and_redirect(number, actions.resume(number, client.name))


@router.post("/cancel")
async def cancel(number: Number, client: Downloader, form: Form, actions: ActionServiceDep) -> Response:
    """Cancel the open run."""
    return await _run_and_redirect(number, actions.cancel(number, client.name))


async def _run_and_redirect(number: ProcessNumber, action: Awaitable[object]) -> Response:
    address = f"/ui/processes/{number}"
    try:
        await action
    except Problem as problem:
        # The page was out of date. The redirect shows the problem and the current state.
        if problem.status != _CONFLICT:
            raise
        address = f"{address}?notice={problem.code}"
    return RedirectResponse(address, 303)
