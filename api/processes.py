"""The routes of a process."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.access import Reader, Starter, require
from api.answers import Answers, process_unknown
from api.callbacks import called_back
from api.downloads import DownloadDecision, Downloads
from api.parameters import ContentQuery, DocumentsQuery, DownloadQuery, Number, decode_cursor
from api.preferences import Preferences, Preferred, while_connected
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.schemas import DocumentBody, DocumentId, DocumentsBody, DownloadBody, ProcessBody
from api.watching import Watching
from domain.clients import Client, Scope
from domain.completeness import Decision
from domain.documents import Document, version_id
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.secrecy import is_withheld
from workflows.options import DEFAULT_PRIORITY

_RETRY_AFTER_SECONDS = "2"
# Answers hold links, which are secrets while they live.
_PRIVATE = {"Cache-Control": "no-store"}


DocumentIdInPath = Annotated[DocumentId, Path(description="As the list of documents has it.")]

router = APIRouter(prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404))


@router.get(
    "",
    summary="A process with links to its documents",
    callbacks=called_back("get_process", "{$request.query.webhook_url}"),
    response_model=ProcessBody,
    responses={202: {"model": ProcessBody, "description": "A run is open: started now, or active already."}},
)
async def get_process(
    request: Request,
    number: Number,
    client: Reader,
    query: Annotated[DownloadQuery, Query()],
    preferences: Preferred,
) -> Response:
    """Answer from the catalog, with links signed now; with ``auto_download=true`` also start what is missing.

    With ``Prefer: wait=N`` a request that has joined or started a run is answered when it ends, or after N seconds.
    """
    answers: Answers = request.app.state.answers
    if not query.auto_download:
        if query.webhook_url is not None:
            raise InvalidInput("webhook_url needs auto_download=true.", field="webhook_url")
        process, open_run = await answers.known(number)
        return JSONResponse(await answers.process(process, open_run, client), headers=_PRIVATE)
    require(client, Scope.DOWNLOAD)
    downloads: Downloads = request.app.state.downloads
    decided = await downloads.request(number, client.name, webhook_url=query.webhook_url, max_age=query.age)
    return await _decided(request, number, client, decided, preferences)


@router.post(
    "/downloads",
    summary="Download what is missing",
    callbacks=called_back("post_download", "{$request.body#/webhook_url}"),
    response_model=ProcessBody,
    responses={
        202: {"model": ProcessBody, "description": "A run is open: started now, or active already."},
        **documented_problems(404, 413),
    },
)
async def post_download(
    request: Request,
    number: Number,
    client: Starter,
    preferences: Preferred,
    order: DownloadBody | None = None,
) -> Response:
    """Do the same as ``GET …?auto_download=true``, for clients whose GET is to start nothing.

    With ``document_ids`` only these are downloaded; who asks for all later gets the rest. ``Prefer: wait=N`` works
    as it does there.
    """
    downloads: Downloads = request.app.state.downloads
    if order is not None and order.priority < DEFAULT_PRIORITY:
        require(client, Scope.ADMIN)
    order = order or DownloadBody()
    decided = await downloads.request(
        number,
        client.name,
        webhook_url=order.webhook_url,
        max_age=None if order.max_age is None else timedelta(seconds=order.max_age),
        document_ids=order.document_ids or (),
        priority=order.priority,
        notify_always=order.notify == "always",
    )
    return await _decided(request, number, client, decided, preferences)


@router.get("/documents", summary="A page of documents", response_model=DocumentsBody)
async def get_documents(
    request: Request, number: Number, client: Reader, query: Annotated[DocumentsQuery, Query()]
) -> Response:
    """Documents in their stable order, with links signed now."""
    answers: Answers = request.app.state.answers
    after = decode_cursor(query.cursor)
    if await answers.catalog.processes.get(number.canonical) is None:
        raise process_unknown(number)
    body = await answers.documents(number, client, after=after, limit=query.limit, status=query.status)
    return JSONResponse(body, headers=_PRIVATE)


@router.get("/documents/{document_id}", summary="One document", response_model=DocumentBody)
async def get_document(request: Request, number: Number, document_id: DocumentIdInPath, client: Reader) -> Response:
    """One document, with a link signed now if it is available."""
    answers: Answers = request.app.state.answers
    document = await _document(answers, number, document_id)
    return JSONResponse(await answers.document(document, client), headers=_PRIVATE)


@router.get(
    "/documents/{document_id}/content",
    summary="A document's bytes",
    status_code=307,
    response_class=RedirectResponse,
    responses=documented_problems(404, 409),
)
async def get_content(
    request: Request,
    number: Number,
    document_id: DocumentIdInPath,
    client: Reader,
    query: Annotated[ContentQuery, Query()],
) -> Response:
    """Lead to a fresh link: an address that can be kept, unlike the link itself.

    With `version`, to a content that the court has replaced.
    """
    answers: Answers = request.app.state.answers
    document = await _document(answers, number, document_id)
    if is_withheld(document, client.scopes):
        raise Problem(
            ProblemCode.SEALED,
            "The document is above public secrecy, or the court no longer shows it, and this key lacks the scope "
            "sealed.",
        )
    if query.version is not None and query.version != document.version:
        wanted = version_id(document.id, query.version)
        former = next((content for content in document.contents() if content.id == wanted), None)
        if former is None:
            raise Problem(ProblemCode.DOCUMENT_UNKNOWN, f"The document has no stored version {query.version}.")
        document = former
    link = await answers.signer.sign(document)
    if link is None:
        raise Problem(
            ProblemCode.DOCUMENT_NOT_AVAILABLE,
            f"The document is {document.status}; ask for a download, then again.",
            document_status=document.status.value,
        )
    return RedirectResponse(link.url, 307, headers=_PRIVATE)


async def _decided(
    request: Request, number: ProcessNumber, client: Client, decided: DownloadDecision, preferences: Preferences
) -> Response:
    answers: Answers = request.app.state.answers
    if decided.decision in (Decision.COMPLETE, Decision.SETTLED):
        body = await answers.process(decided.process, None, client, decided.decision)
        return JSONResponse(body, headers=_PRIVATE)
    process, open_run = decided.process, decided.open_run
    if preferences.wait:
        watching: Watching = request.app.state.watching
        # Who started the run that was joined may not have said so yet.
        with watching.place_of(client) as there_is_room, suppress(Problem):
            if there_is_room:
                await while_connected(request, watching.until_ended(number, preferences.wait))
        process, open_run = await answers.current(number) or (process, open_run)
    body = await answers.process(process, open_run, client, decided.decision)
    headers = {**_PRIVATE, **preferences.applied, "Location": f"/processes/{number}/status"}
    if preferences.wait and open_run is None:
        return JSONResponse(body, headers=headers)
    return JSONResponse(body, 202, headers={**headers, "Retry-After": _RETRY_AFTER_SECONDS})


async def _document(answers: Answers, number: ProcessNumber, document_id: str) -> Document:
    document = await answers.catalog.documents.get(number.canonical, document_id)
    if document is None:
        raise Problem(ProblemCode.DOCUMENT_UNKNOWN, f"Process {number} has no document with this id.")
    return document
