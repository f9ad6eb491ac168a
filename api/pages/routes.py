"""The pages: the first one, a process, and the files they bring along."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import RedirectResponse, Response

from api.access import Gatekeeper, Reader
from api.answers import Answers
from api.downloads import Downloads
from api.pages import actions, sign_in
from api.pages.forms import Form
from api.pages.rendering import STATIC, PageRoute, page
from api.pages.view import latest, look
from api.parameters import Number, decode_cursor, decode_process_cursor
from api.problem_codes import ProblemCode
from api.problems import Problem
from api.rates import ASKING, STARTING
from domain.clients import Client, Scope
from domain.errors import InvalidProcessNumber
from domain.process_number import ProcessNumber

router = APIRouter(route_class=PageRoute, include_in_schema=False)


class PageQuery(BaseModel):
    """The query of a page: where its list begins, and what the page says on top."""

    model_config = ConfigDict(extra="ignore")

    cursor: str | None = None
    notice: str | None = None


@router.get("/")
async def get_home(request: Request, client: Reader, query: Annotated[PageQuery, Query()]) -> Response:
    """One field for a process number, and the latest processes."""
    return await _home(request, client, cursor=query.cursor)


@router.post("/ui/processes")
async def open_process(request: Request, client: Reader, form: Form) -> Response:
    """Lead to the process with the number that was entered; have it downloaded, if the client may."""
    entered = form.get("number", "")
    try:
        number = ProcessNumber.parse(entered)
    except InvalidProcessNumber as error:
        if error.suggestion:
            return await _home(request, client, entered, "number_digits", error.suggestion)
        return await _home(request, client, entered, "number_shape" if entered.strip() else "number_missing")
    if client.may(Scope.DOWNLOAD):
        gatekeeper: Gatekeeper = request.app.state.gatekeeper
        # Reading the page has been paid for.
        await gatekeeper.charge(request, client, STARTING - ASKING)
        downloads: Downloads = request.app.state.downloads
        await downloads.request(number, client.name)
    return RedirectResponse(f"/ui/processes/{number}", 303)


@router.get("/ui/processes/{number}")
async def get_process(
    request: Request, number: Number, client: Reader, query: Annotated[PageQuery, Query()]
) -> Response:
    """A process with a page of its documents."""
    return await _process(request, "process", number, client, query)


@router.get("/ui/processes/{number}/live")
async def get_live(
    request: Request, number: Number, client: Reader, query: Annotated[PageQuery, Query()]
) -> Response:
    """The part of a process's page that changes, for its script."""
    return await _process(request, "live", number, client, query)


@router.get("/ui/static/{name}")
async def get_static(request: Request, name: str) -> Response:
    """A file that the pages bring along. Its address changes with its content."""
    content = STATIC.get(name)
    if content is None:
        raise Problem(ProblemCode.NOT_FOUND, "There is no such file.")
    kept = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, headers=kept, media_type=mimetypes.guess_type(name)[0])


async def _process(
    request: Request, template: str, number: ProcessNumber, client: Client, query: PageQuery
) -> Response:
    answers: Answers = request.app.state.answers
    view = await look(answers, number, client, after=decode_cursor(query.cursor), cursor=query.cursor)
    return page(request, template, process=view, notice=query.notice)


async def _home(
    request: Request,
    client: Client,
    entered: str = "",
    error: str | None = None,
    suggestion: str | None = None,
    *,
    cursor: str | None = None,
) -> Response:
    answers: Answers = request.app.state.answers
    return page(
        request,
        "home",
        status=422 if error else 200,
        entered=entered[:100],
        error=error,
        suggestion=suggestion,
        latest=await latest(answers, decode_process_cursor(cursor)),
        cursor=cursor,
        may_download=client.may(Scope.DOWNLOAD),
    )


router.include_router(actions.router)
router.include_router(sign_in.router)
