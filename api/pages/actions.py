"""The buttons of a process's page: the same actions as the API's routes, then a redirect to the page."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from api.deps import ActionServiceDep, Downloader, DownloadServiceDep, StartingDownloader, WatchServiceDep
from api.pages.forms import Form
from api.pages.rendering import PageRoute
from api.problems.problem import Problem
from api.schemas.parameters import Number
from api.schemas.watches import WatchWishBody
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.watches import WatchNotify

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


@router.post("/watch")
async def watch(number: Number, client: StartingDownloader, form: Form, watches: WatchServiceDep) -> Response:
    """Watch the process, or change the watch. What the form does not have stays as it is."""
    known = await watches.find(number, client)
    try:
        wish = WatchWishBody(
            every_seconds=int(form.get("every_seconds", "")),
            download=form.get("download") == "yes",
            webhook_url=known.webhook_url if known else None,
            notify=known.notify if known else WatchNotify.NEW,
        )
    except ValueError:
        raise InvalidInput("The interval is not valid.", field="every_seconds") from None
    return await _run_and_redirect(number, watches.put(number, client, wish))


@router.post("/unwatch")
async def unwatch(number: Number, client: StartingDownloader, form: Form, watches: WatchServiceDep) -> Response:
    """Stop watching the process."""
    return await _run_and_redirect(number, watches.remove(number, client))


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
