"""The pages: a process with its documents, and the static files. The other pages have modules of their own."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.deps import BundleServiceDep, PresenterDep, Reader
from api.pages import actions, archive, bundle, home, sign_in
from api.pages.document_list import DocumentQuery
from api.pages.rendering import STATIC, PageRoute, render_page
from api.pages.view import read_process
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.routes import processes
from api.schemas.parameters import Number

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/ui/processes/{number}")
async def get_process(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[DocumentQuery, Query()],
    presenter: PresenterDep,
    bundles: BundleServiceDep,
) -> Response:
    """A process with a page of its documents."""
    view = await read_process(presenter, bundles, number, client, query)
    return render_page(request, "process", process=view, notice=query.notice)


@router.get("/ui/processes/{number}/live")
async def get_live(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[DocumentQuery, Query()],
    presenter: PresenterDep,
    bundles: BundleServiceDep,
) -> Response:
    """The changing part of a process's page, for its script."""
    view = await read_process(presenter, bundles, number, client, query)
    return render_page(request, "live", process=view)


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
