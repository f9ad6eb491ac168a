"""The pages: the home page, a process, and their static files."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from api.deps import AuthenticatorDep, DownloadServiceDep, PresenterDep, Reader
from api.middleware.rate_headers import READ_COST, START_COST
from api.pages import actions, sign_in
from api.pages.forms import Form
from api.pages.rendering import STATIC, PageRoute, render_page
from api.pages.view import read_latest, read_process
from api.pagination import POSITION_CURSOR, PROCESS_CURSOR
from api.presenters import ProcessPresenter
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.parameters import Number
from domain.clients import Client, Scope
from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber

router = APIRouter(route_class=PageRoute, include_in_schema=False)


class PageQuery(BaseModel):
    """The query of a page: the cursor of its list, and the code of a notice to show."""

    model_config = ConfigDict(extra="ignore")

    cursor: str | None = None
    notice: str | None = None


@router.get("/")
async def get_home(
    request: Request, client: Reader, query: Annotated[PageQuery, Query()], presenter: PresenterDep
) -> Response:
    """One field for a process number, and the latest processes."""
    return await _render_home(request, client, presenter, cursor=query.cursor)


@router.post("/ui/processes")
async def open_process(
    request: Request,
    client: Reader,
    form: Form,
    authenticator: AuthenticatorDep,
    downloads: DownloadServiceDep,
    presenter: PresenterDep,
) -> Response:
    """Start a download of the entered number, if the client may, and redirect to the process."""
    entered = form.get("number", "")
    try:
        number = ProcessNumber.parse(entered)
    except InvalidProcessNumber as error:
        if error.suggestion:
            return await _render_home(request, client, presenter, entered, "number_digits", error.suggestion)
        key = "number_shape" if entered.strip() else "number_missing"
        return await _render_home(request, client, presenter, entered, key)
    if client.may(Scope.DOWNLOAD):
        # READ_COST has been charged already.
        await authenticator.charge(request, client, START_COST - READ_COST)
        await downloads.request(number, client.name)
    return RedirectResponse(f"/ui/processes/{number}", 303)


@router.get("/ui/processes/{number}")
async def get_process(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[PageQuery, Query()],
    presenter: PresenterDep,
) -> Response:
    """A process with a page of its documents."""
    return await _render_process(request, "process", number, client, query, presenter)


@router.get("/ui/processes/{number}/live")
async def get_live(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[PageQuery, Query()],
    presenter: PresenterDep,
) -> Response:
    """The changing part of a process's page, for its script."""
    return await _render_process(request, "live", number, client, query, presenter)


@router.get("/ui/static/{name}")
async def get_static(request: Request, name: str) -> Response:
    """A static file. Its URL has a version that changes with the content."""
    content = STATIC.get(name)
    if content is None:
        raise Problem(ProblemCode.NOT_FOUND, "There is no such file.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, headers=headers, media_type=mimetypes.guess_type(name)[0])


async def _render_process(
    request: Request,
    template: str,
    number: ProcessNumber,
    client: Client,
    query: PageQuery,
    presenter: ProcessPresenter,
) -> Response:
    after = POSITION_CURSOR.decode(query.cursor) or 0
    view = await read_process(presenter, number, client, after=after, cursor=query.cursor)
    return render_page(request, template, process=view, notice=query.notice)


async def _render_home(
    request: Request,
    client: Client,
    presenter: ProcessPresenter,
    entered: str = "",
    error: str | None = None,
    suggestion: str | None = None,
    *,
    cursor: str | None = None,
) -> Response:
    return render_page(
        request,
        "home",
        status=422 if error else 200,
        entered=entered[:100],
        error=error,
        suggestion=suggestion,
        latest=await read_latest(presenter, PROCESS_CURSOR.decode(cursor)),
        cursor=cursor,
        may_download=client.may(Scope.DOWNLOAD),
        lacks_worker=bool(presenter.warnings()),
    )


router.include_router(actions.router)
router.include_router(sign_in.router)
