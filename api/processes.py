"""The routes of a process."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.access import ClientName
from api.answers import Answers
from api.downloads import Downloads
from api.parameters import DocumentsQuery, DownloadQuery, NoQuery, Number, decode_cursor
from api.problems import Problem, documented_problems
from api.runs import OpenRun
from api.schemas import DocumentBody, DocumentsBody, ProcessBody, StatusBody
from domain.completeness import Decision
from domain.documents import Document
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.processes import Process

_RETRY_AFTER_SECONDS = "2"
# Answers hold links, which are secrets while they live.
_PRIVATE = {"Cache-Control": "no-store"}


router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404))


@router.get(
    "",
    summary="A process with links to its documents",
    response_model=ProcessBody,
    responses={202: {"model": ProcessBody, "description": "A run is open: started now, or active already."}},
)
async def get_process(
    request: Request, number: Number, client: ClientName, query: Annotated[DownloadQuery, Query()]
) -> Response:
    """Answer from the catalog, with links signed now; with ``auto_download=true`` also start what is missing."""
    answers: Answers = request.app.state.answers
    if not query.auto_download:
        if query.webhook_url is not None:
            raise InvalidInput("webhook_url needs auto_download=true.", field="webhook_url")
        process, open_run = await _known(answers, number)
        return JSONResponse(await answers.process(process, open_run), headers=_PRIVATE)
    downloads: Downloads = request.app.state.downloads
    decided = await downloads.request(number, client, webhook_url=query.webhook_url, max_age=query.age)
    body = await answers.process(decided.process, decided.open_run, decided.decision)
    if decided.decision in (Decision.COMPLETE, Decision.SETTLED):
        return JSONResponse(body, headers=_PRIVATE)
    location = f"/processes/{number}/status"
    return JSONResponse(body, 202, headers={**_PRIVATE, "Location": location, "Retry-After": _RETRY_AFTER_SECONDS})


@router.get("/status", summary="How it goes", response_model=StatusBody)
async def get_status(
    request: Request, number: Number, client: ClientName, query: Annotated[NoQuery, Query()]
) -> Response:
    """Counts, phase, bytes, the latest run, and failures by code; no documents, so it is cheap to poll."""
    answers: Answers = request.app.state.answers
    process, open_run = await _known(answers, number)
    headers = {"Retry-After": _RETRY_AFTER_SECONDS} if open_run else {}
    return JSONResponse(await answers.status(process, open_run), headers=headers)


@router.get("/documents", summary="A page of documents", response_model=DocumentsBody)
async def get_documents(
    request: Request, number: Number, client: ClientName, query: Annotated[DocumentsQuery, Query()]
) -> Response:
    """Documents in their stable order, with links signed now."""
    answers: Answers = request.app.state.answers
    after = decode_cursor(query.cursor)
    if await answers.catalog.processes.get(number.canonical) is None:
        raise _unknown(number)
    body = await answers.documents(number, after=after, limit=query.limit, status=query.status)
    return JSONResponse(body, headers=_PRIVATE)


@router.get("/documents/{document_id}", summary="One document", response_model=DocumentBody)
async def get_document(request: Request, number: Number, document_id: str, client: ClientName) -> Response:
    """One document, with a link signed now if it is available."""
    answers: Answers = request.app.state.answers
    document = await _document(answers, number, document_id)
    return JSONResponse(await answers.document(document), headers=_PRIVATE)


@router.get(
    "/documents/{document_id}/content",
    summary="A document's bytes",
    status_code=307,
    response_class=RedirectResponse,
    responses=documented_problems(404, 409),
)
async def get_content(request: Request, number: Number, document_id: str, client: ClientName) -> Response:
    """Lead to a fresh link: an address that can be kept, unlike the link itself."""
    answers: Answers = request.app.state.answers
    document = await _document(answers, number, document_id)
    link = await answers.signer.sign(document)
    if link is None:
        raise Problem(
            409,
            "document_not_available",
            f"The document is {document.status}; ask for a download, then again.",
            document_status=document.status.value,
        )
    return RedirectResponse(link.url, 307, headers=_PRIVATE)


async def _known(answers: Answers, number: ProcessNumber) -> tuple[Process, OpenRun | None]:
    known = await answers.current(number)
    if known is None:
        raise _unknown(number)
    return known


def _unknown(number: ProcessNumber) -> Problem:
    return Problem(
        404,
        "process_unknown",
        f"Nothing is known of {number}. Ask with auto_download=true to have it downloaded.",
    )


async def _document(answers: Answers, number: ProcessNumber, document_id: str) -> Document:
    document = await answers.catalog.documents.get(number.canonical, document_id)
    if document is None:
        raise Problem(404, "document_unknown", f"Process {number} has no document with this id.")
    return document
