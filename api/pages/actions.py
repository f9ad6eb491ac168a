"""What the buttons of a process's page do: the same as the API's routes, then back to the page."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.access import Downloader, Starter
from api.downloads import Downloads
from api.pages.forms import Form
from api.pages.rendering import PageRoute
from api.parameters import Number
from api.problems import Problem
from domain.process_number import ProcessNumber

_CONFLICT = 409

router = APIRouter(prefix="/ui/processes/{number}", route_class=PageRoute, include_in_schema=False)


@router.post("/download")
async def download(request: Request, number: Number, client: Starter, form: Form) -> Response:
    """Have what is missing downloaded."""
    downloads: Downloads = request.app.state.downloads
    return await _back(number, downloads.request(number, client.name))


@router.post("/update")
async def update(request: Request, number: Number, client: Starter, form: Form) -> Response:
    """Have the court asked for its list again, however young the one that is known."""
    downloads: Downloads = request.app.state.downloads
    return await _back(number, downloads.request(number, client.name, max_age=timedelta(0)))


@router.post("/retry")
async def retry(request: Request, number: Number, client: Starter, form: Form) -> Response:
    """Have what failed tried again."""
    return await _back(number, request.app.state.actions.retry(number, client.name))


@router.post("/pause")
async def pause(request: Request, number: Number, client: Downloader, form: Form) -> Response:
    """Have the open run take no further document."""
    return await _back(number, request.app.state.actions.pause(number, client.name))


@router.post("/resume")
async def resume(request: Request, number: Number, client: Downloader, form: Form) -> Response:
    """Have a paused run go on."""
    return await _back(number, request.app.state.actions.resume(number, client.name))


@router.post("/cancel")
async def cancel(request: Request, number: Number, client: Downloader, form: Form) -> Response:
    """End the open run."""
    return await _back(number, request.app.state.actions.cancel(number, client.name))


async def _back(number: ProcessNumber, action: Awaitable[object]) -> Response:
    address = f"/ui/processes/{number}"
    try:
        await action
    except Problem as problem:
        # The page was older than the process: it says so, and shows how things are.
        if problem.status != _CONFLICT:
            raise
        address = f"{address}?notice={problem.code}"
    return RedirectResponse(address, 303)
