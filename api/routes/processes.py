"""Routes: a process, its downloads and its documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from api.auth import require_scope
from api.deps import (
    BroadcasterDep,
    CatalogDep,
    DownloadServiceDep,
    OriginsDep,
    PresenterDep,
    Reader,
    RecipientDep,
    StartingDownloader,
)
from api.json_bodies import JsonRoute
from api.middleware.methods import is_head
from api.pagination import POSITION_CURSOR, link_next
from api.preferences import Preferences, Preferred, while_connected
from api.presenters import ProcessPresenter, first_documents_for, process_unknown
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, documented_problems
from api.schemas.callbacks import run_end_callback
from api.schemas.documents import ContentQuery, Disposition, DocumentBody, DocumentsBody, DocumentsQuery
from api.schemas.downloads import DownloadBody, DownloadQuery, Notify
from api.schemas.parameters import DocumentIdInPath, Number
from api.schemas.processes import ProcessBody
from api.services.downloads import DownloadDecision
from api.status_stream import StatusBroadcaster
from api.stream_subjects import FollowedProcess
from domain.accesses import AccessKind, Recipient
from domain.clients import Scope
from domain.completeness import Decision
from domain.documents import Document, version_id
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.secrecy import is_withheld
from workflows.options import DEFAULT_PRIORITY

_RETRY_AFTER_SECONDS = "2"

router = APIRouter(
    prefix="/processes/{number}", tags=["processes"], responses=documented_problems(404, 410), route_class=JsonRoute
)


@router.get(
    "",
    summary="Get a process",
    callbacks=run_end_callback("get_process", "{$request.query.webhook_url}"),
    response_model=ProcessBody,
    responses={
        202: {"model": ProcessBody, "description": "A run is open. It was started now or was already open."}
    },
)
async def get_process(
    request: Request,
    number: Number,
    client: Reader,
    recipient: RecipientDep,
    query: Annotated[DownloadQuery, Query()],
    preferences: Preferred,
    presenter: PresenterDep,
    downloads: DownloadServiceDep,
    broadcaster: BroadcasterDep,
) -> Response:
    """A process with fresh links to its documents. With `auto_download=true`, also download what is missing.

    With `Prefer: wait=N`, a request that has joined or started a run is answered when the run ends, or after N
    seconds. HEAD never starts a download.
    """
    if query.webhook_url is not None and not query.auto_download:
        raise InvalidInput("webhook_url requires auto_download=true.", field="webhook_url")
    if not query.auto_download or is_head(request):
        process, open_run = await presenter.get_state(number, first_documents=first_documents_for(client))
        return JSONResponse(await presenter.process_body(process, open_run, recipient))
    require_scope(client, Scope.DOWNLOAD)
    decided = await downloads.request(
        number,
        client.name,
        webhook_url=query.webhook_url,
        max_age=query.age,
        first_documents=first_documents_for(client),
    )
    return await _answer_download(request, number, recipient, preferences, presenter, broadcaster, decided)


@router.post(
    "/downloads",
    summary="Start a download",
    callbacks=run_end_callback("post_download", "{$request.body#/webhook_url}"),
    response_model=ProcessBody,
    responses={
        202: {"model": ProcessBody, "description": "A run is open. It was started now or was already open."},
        **documented_problems(404, 413, 415),
    },
)
async def post_download(
    request: Request,
    number: Number,
    client: StartingDownloader,
    recipient: RecipientDep,
    preferences: Preferred,
    presenter: PresenterDep,
    downloads: DownloadServiceDep,
    broadcaster: BroadcasterDep,
    order: DownloadBody | None = None,
) -> Response:
    """The same as `GET …?auto_download=true`, for clients whose GET requests must not start anything.

    With `document_ids`, only these documents are downloaded. A later request for all downloads the rest.
    `Prefer: wait=N` works as for the GET.
    """
    if order is not None and order.priority < DEFAULT_PRIORITY:
        require_scope(client, Scope.ADMIN)
    order = order or DownloadBody()
    decided = await downloads.request(
        number,
        client.name,
        webhook_url=order.webhook_url,
        max_age=order.age,
        document_ids=order.document_ids or (),
        priority=order.priority,
        notify_always=order.notify is Notify.ALWAYS,
        first_documents=first_documents_for(client),
    )
    return await _answer_download(request, number, recipient, preferences, presenter, broadcaster, decided)


@router.get("/documents", summary="List documents", response_model=DocumentsBody)
async def get_documents(
    number: Number,
    client: Reader,
    recipient: RecipientDep,
    query: Annotated[DocumentsQuery, Query()],
    presenter: PresenterDep,
    catalog: CatalogDep,
) -> Response:
    """A page of documents in a stable order, with fresh links."""
    after = POSITION_CURSOR.decode(query.cursor) or 0
    if await catalog.processes.get(number.canonical) is None:
        raise process_unknown(number)
    body = await presenter.documents_body(number, recipient, after=after, limit=query.limit, status=query.status)
    response = JSONResponse(body)
    link_next(response, body["documents_next"])
    return response


@router.get("/documents/{document_id}", summary="Get a document", response_model=DocumentBody)
async def get_document(
    number: Number,
    document_id: DocumentIdInPath,
    client: Reader,
    recipient: RecipientDep,
    presenter: PresenterDep,
) -> Response:
    """One document, with a fresh link if it is available."""
    document = await _get_document(presenter, number, document_id)
    return JSONResponse(await presenter.document_body(number, document, recipient))


@router.get(
    "/documents/{document_id}/content",
    summary="Download a document's content",
    status_code=307,
    response_class=RedirectResponse,
    responses=documented_problems(404, 409),
)
async def get_content(
    number: Number,
    document_id: DocumentIdInPath,
    client: Reader,
    recipient: RecipientDep,
    request: Request,
    query: Annotated[ContentQuery, Query()],
    presenter: PresenterDep,
    origins: OriginsDep,
) -> Response:
    """Redirect to a fresh link. This URL can be stored; links expire.

    With `version`, redirect to an earlier content that the court has replaced. With `disposition=inline`, a browser
    shows a PDF instead of saving it.
    """
    document = await _get_document(presenter, number, document_id)
    if is_withheld(document, client.scopes):
        raise Problem(
            ProblemCode.SEALED,
            "The document is above public secrecy, or the court no longer shows it, and this key lacks the scope "
            "sealed.",
        )
    if query.version is not None and query.version != document.version:
        document = _find_version(document, query.version)
    # A document of unknown authors must not be shown on the origin of our pages.
    inline = query.disposition is Disposition.INLINE and not origins.is_own_url(
        request, await presenter.links.base_url()
    )
    how = AccessKind.PAGE if recipient.from_page else AccessKind.CONTENT
    links = await presenter.links.issue(
        [document], recipient, process_number=number.canonical, how=how, inline=inline
    )
    link = links.get(document.id)
    if link is None:
        raise Problem(
            ProblemCode.DOCUMENT_NOT_AVAILABLE,
            f"The document is {document.status}. Request a download first.",
            document_status=document.status.value,
        )
    return RedirectResponse(link.url, 307, headers={"Referrer-Policy": "no-referrer"})


async def _answer_download(
    request: Request,
    number: ProcessNumber,
    recipient: Recipient,
    preferences: Preferences,
    presenter: ProcessPresenter,
    broadcaster: StatusBroadcaster,
    decided: DownloadDecision,
) -> Response:
    """Return 200 if the catalog has answered or the run has ended, 202 if a run is open."""
    if decided.decision in (Decision.COMPLETE, Decision.SETTLED):
        return JSONResponse(await presenter.process_body(decided.process, None, recipient, decided.decision))
    process, open_run = decided.process, decided.open_run
    if preferences.wait:
        with broadcaster.reserve_slot(recipient.client) as is_reserved:
            if is_reserved:
                await while_connected(
                    request, broadcaster.wait_until_ended(FollowedProcess(number, presenter), preferences.wait)
                )
        process, open_run = await presenter.find_state(number) or (process, open_run)
    body = await presenter.process_body(process, open_run, recipient, decided.decision)
    headers = {**preferences.response_headers, "Location": f"/processes/{number}/status"}
    if preferences.wait and open_run is None:
        return JSONResponse(body, headers=headers)
    return JSONResponse(body, 202, headers={**headers, "Retry-After": _RETRY_AFTER_SECONDS})


async def _get_document(presenter: ProcessPresenter, number: ProcessNumber, document_id: str) -> Document:
    document = await presenter.catalog.documents.get(number.canonical, document_id)
    if document is None:
        raise Problem(ProblemCode.DOCUMENT_UNKNOWN, f"Process {number} has no document with this id.")
    return document


def _find_version(document: Document, version: int) -> Document:
    wanted = version_id(document.id, version)
    earlier = next((content for content in document.contents() if content.id == wanted), None)
    if earlier is None:
        raise Problem(ProblemCode.DOCUMENT_UNKNOWN, f"The document has no stored version {version}.")
    return earlier
