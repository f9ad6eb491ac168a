"""The home page: one field for process numbers, and the latest processes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from api.deps import (
    AuthenticatorDep,
    BatchServiceDep,
    CaseServiceDep,
    DownloadServiceDep,
    PresenterDep,
    Reader,
    UnchargedDownloader,
    VisitsDep,
)
from api.middleware.rate_headers import READ_COST, START_COST, batch_cost
from api.pages.forms import Form
from api.pages.rendering import PageRoute, render_page
from api.pages.view import read_latest
from api.pages.visits import Visits
from api.pagination import PROCESS_CURSOR
from api.presenters import ProcessPresenter
from api.schemas.batches import NewBatchBody
from api.services.cases import CaseService
from domain.clients import Client, Scope
from domain.found_numbers import FoundNumbers, find_numbers

# More than a person pastes; less than the largest batch, so that nobody starts a thousand downloads by one click.
MAX_NUMBERS = 100
_MAX_TEXT_LENGTH = 20_000
_STARTED = "numbers_started"

router = APIRouter(route_class=PageRoute, include_in_schema=False)


class HomeQuery(BaseModel):
    """The query of the home page: the cursor of its list, and the name of a notice to show."""

    model_config = ConfigDict(extra="ignore")

    cursor: str | None = None
    notice: str | None = None


@dataclass(frozen=True, slots=True)
class _Lists:
    """What the list of processes is read from."""

    presenter: ProcessPresenter
    cases: CaseService
    visits: Visits

    async def find_news(self, request: Request, client: Client, numbers: Collection[str]) -> Collection[str]:
        """Return which of these processes have changes that the person has not seen, with one query at most."""
        seen = self.visits.last_seen(request, client)
        return await self.cases.find_changed(client, {each: seen[each] for each in numbers if each in seen})


async def _lists(presenter: PresenterDep, cases: CaseServiceDep, visits: VisitsDep) -> _Lists:
    return _Lists(presenter, cases, visits)


_ListsDep = Annotated[_Lists, Depends(_lists)]


@router.get("/")
async def get_home(
    request: Request, client: Reader, query: Annotated[HomeQuery, Query()], lists: _ListsDep
) -> Response:
    """One field for process numbers, and the latest processes."""
    notice = query.notice if query.notice == _STARTED else None
    return await _render_home(request, client, lists, cursor=query.cursor, notice=notice)


@router.post("/ui/processes")
async def open_numbers(
    request: Request,
    client: Reader,
    form: Form,
    authenticator: AuthenticatorDep,
    downloads: DownloadServiceDep,
    lists: _ListsDep,
) -> Response:
    """Start a download of the entered number, if the client may, and redirect to the process.

    Of a text with several numbers, list them all instead: nothing is started before the person has seen them.
    """
    entered = form.get("number", "")[:_MAX_TEXT_LENGTH]
    found = find_numbers(entered)
    if not found.valid:
        key = "number_digits" if found.wrong else "number_shape" if entered.strip() else "number_missing"
        return await _render_home(request, client, lists, entered, key, found)
    if len(found.valid) > 1 or found.wrong:
        return render_page(
            request,
            "numbers",
            found=found,
            shown=found.valid[:MAX_NUMBERS],
            may_download=client.may(Scope.DOWNLOAD),
        )
    [number] = found.valid
    if client.may(Scope.DOWNLOAD):
        # READ_COST has been charged already.
        await authenticator.charge(request, client, START_COST - READ_COST)
        await downloads.request(number, client.name)
    return RedirectResponse(f"/ui/processes/{number}", 303)


@router.post("/ui/batches")
async def start_numbers(
    request: Request,
    client: UnchargedDownloader,
    form: Form,
    authenticator: AuthenticatorDep,
    batches: BatchServiceDep,
) -> Response:
    """Start downloads of all the numbers that were listed, as one batch."""
    numbers = [number.canonical for number in find_numbers(form.get("numbers", "")).valid[:MAX_NUMBERS]]
    if not numbers:
        return RedirectResponse("/", 303)
    await authenticator.charge(request, client, batch_cost(len(numbers)))
    await batches.create(client, NewBatchBody(process_numbers=numbers, webhook_url=None, max_age=None))
    return RedirectResponse(f"/?notice={_STARTED}", 303)


async def _render_home(
    request: Request,
    client: Client,
    lists: _Lists,
    entered: str = "",
    error: str | None = None,
    found: FoundNumbers | None = None,
    *,
    cursor: str | None = None,
    notice: str | None = None,
) -> Response:
    return render_page(
        request,
        "home",
        status=422 if error else 200,
        entered=entered,
        error=error,
        wrong=found.wrong[:MAX_NUMBERS] if found else (),
        max_length=_MAX_TEXT_LENGTH,
        latest=await read_latest(
            lists.presenter, PROCESS_CURSOR.decode(cursor), partial(lists.find_news, request, client)
        ),
        cursor=cursor,
        notice=notice,
        may_download=client.may(Scope.DOWNLOAD),
        lacks_worker=bool(lists.presenter.warnings()),
    )
