"""The pages: a process with its documents, and the static files. The other pages have modules of their own."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.deps import BundleServiceDep, CaseServiceDep, PresenterDep, Reader, VisitsDep, WatchServiceDep
from api.pages import actions, archive, bundle, home, sign_in
from api.pages.document_list import DocumentQuery, PageView
from api.pages.rendering import STATIC, PageRoute, render_page
from api.pages.view import ProcessReader
from api.pages.visits import Visits
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.routes import processes
from api.schemas.parameters import Number
from domain.clients import Client
from domain.process_number import ProcessNumber

router = APIRouter(route_class=PageRoute, include_in_schema=False)


async def _process_reader(
    presenter: PresenterDep, cases: CaseServiceDep, watches: WatchServiceDep, bundles: BundleServiceDep
) -> ProcessReader:
    return ProcessReader(presenter, cases, watches, bundles)


_Reader = Annotated[ProcessReader, Depends(_process_reader)]


@router.get("/ui/processes/{number}")
async def get_process(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[DocumentQuery, Query()],
    reader: _Reader,
    visits: VisitsDep,
) -> Response:
    """A process with a page of its documents or of its timeline, or with its case."""
    return await _render_process(request, "process", number, client, query, reader, visits)


@router.get("/ui/processes/{number}/live")
async def get_live(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[DocumentQuery, Query()],
    reader: _Reader,
    visits: VisitsDep,
) -> Response:
    """The changing part of a process's page, for its script."""
    return await _render_process(request, "live", number, client, query, reader, visits)


@router.get("/ui/static/{name}")
async def get_static(request: Request, name: str) -> Response:
    """A static file. Its URL has a version that changes with the content."""
    content = STATIC.get(name)
    if content is None:
        raise Problem(ProblemCode.NOT_FOUND, "There is no such file.")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(content, headers=headers, media_type=mimetypes.guess_type(name)[0])


# For the page's links: here, a problem is a page for people, and a session that has ended leads to the sign-in.
router.add_api_route("/ui/processes/{number}/documents/{document_id}/content", processes.get_content)

for _module in (home, archive, bundle, actions, sign_in):
    router.include_router(_module.router)


async def _render_process(
    request: Request,
    template: str,
    number: ProcessNumber,
    client: Client,
    query: DocumentQuery,
    reader: ProcessReader,
    visits: Visits,
) -> Response:
    # Before the changes are read: one that is written meanwhile is new once more, and never passed over.
    last = await reader.presenter.catalog.changes.last_sequence(number.canonical)
    visit = visits.visit(request, client, number.canonical, last)
    view = await reader.read(number, client, query, visit)
    response = render_page(request, template, process=view, notice=query.notice)
    if view.status is not None and view.view is PageView.DOCUMENTS:
        visits.remember(request, response, client, number.canonical, visit)
    return response
