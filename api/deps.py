"""Dependencies of the routes: the objects in ``app.state`` and the authenticated client.

``app.state`` is read here alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from adapters.database import Catalog
from adapters.temporal.deployment_load import DeploymentLoad
from adapters.temporal.payload_codec import JsonCodec
from api.auth import Authenticator, require_scope
from api.middleware.methods import is_head
from api.middleware.rate_headers import READ_COST, START_COST
from api.middleware.request_ids import request_id_of
from api.origins import Origins, Sender
from api.pages.session import Sessions
from api.pages.visits import Visits
from api.presenters import ProcessPresenter
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.services.accesses import AccessService
from api.services.actions import ProcessActionService
from api.services.archives import ArchiveService
from api.services.batches import BatchService
from api.services.bundles import BundleService
from api.services.cases import CaseService
from api.services.court import CourtService
from api.services.downloads import DownloadService
from api.services.erasures import ErasureService
from api.services.events import EventService
from api.services.lists import ListService
from api.services.metrics import Metrics
from api.services.readiness import Check
from api.services.watches import WatchService
from api.services.webhooks import WebhookService
from api.services.worker_presence import WorkerPresence
from api.status_stream import StatusBroadcaster
from domain.accesses import MAX_PURPOSE_LENGTH, PURPOSE_HEADER, Recipient, read_purpose
from domain.clients import Client, Scope

_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
_bearer = HTTPBearer(auto_error=False, description="An API key. Not needed on a deployment without keys.")


def _from_state(name: str) -> Any:
    """Return a dependency: the attribute of ``app.state`` with this name."""

    # A coroutine: FastAPI would run a plain function in a thread.
    async def read_state(request: Request) -> Any:
        return getattr(request.app.state, name)

    return Depends(read_state)


AccessServiceDep = Annotated[AccessService, _from_state("accesses")]
ActionServiceDep = Annotated[ProcessActionService, _from_state("actions")]
ArchiveServiceDep = Annotated[ArchiveService, _from_state("archives")]
AuthenticatorDep = Annotated[Authenticator, _from_state("authenticator")]
BatchServiceDep = Annotated[BatchService, _from_state("batches")]
BundleServiceDep = Annotated[BundleService, _from_state("bundles")]
BroadcasterDep = Annotated[StatusBroadcaster, _from_state("broadcaster")]
CaseServiceDep = Annotated[CaseService, _from_state("cases")]
CatalogDep = Annotated[Catalog, _from_state("catalog")]
CodecDep = Annotated[JsonCodec, _from_state("codec")]
CodecOriginsDep = Annotated[frozenset[str], _from_state("codec_origins")]
CourtServiceDep = Annotated[CourtService, _from_state("court")]
EventServiceDep = Annotated[EventService, _from_state("events")]
ErasureServiceDep = Annotated[ErasureService, _from_state("erasures")]
DownloadServiceDep = Annotated[DownloadService, _from_state("downloads")]
ListServiceDep = Annotated[ListService, _from_state("lists")]
LoadDep = Annotated[Callable[[], Awaitable[DeploymentLoad]], _from_state("read_load")]
MetricsDep = Annotated[Metrics, _from_state("metrics")]
OriginsDep = Annotated[Origins, _from_state("origins")]
PresenterDep = Annotated[ProcessPresenter, _from_state("presenter")]
ReadinessChecksDep = Annotated[Mapping[str, Check], _from_state("readiness_checks")]
SessionsDep = Annotated[Sessions, _from_state("sessions")]
VisitsDep = Annotated[Visits, _from_state("visits")]
WebhookServiceDep = Annotated[WebhookService, _from_state("webhooks")]
WatchServiceDep = Annotated[WatchService, _from_state("watches")]
WorkerPresenceDep = Annotated[WorkerPresence, _from_state("worker_presence")]


def _authenticator_of(request: Request) -> Authenticator:
    """Return the authenticator, for dependencies. As one of theirs, each would resolve it again, cached or not."""
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


def sessions_of(request: Request) -> Sessions:
    """Return the sessions, for code that renders a page outside a route's function."""
    sessions: Sessions = request.app.state.sessions
    return sessions


def broadcaster_of(app: FastAPI) -> StatusBroadcaster:
    """Return the status broadcaster, for the server that closes its streams before it stops."""
    broadcaster: StatusBroadcaster = app.state.broadcaster
    return broadcaster


async def _authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Client:
    authenticator = _authenticator_of(request)
    key = credentials.credentials if credentials else authenticator.key_of_session(request)
    client = await authenticator.authenticate(request, key, of_session=credentials is None)
    structlog.contextvars.bind_contextvars(client=client.name)
    return client


def _client_with(scope: Scope, cost: int = READ_COST) -> Any:
    """Return a dependency: the authenticated client, if its key has a scope and its rate limit allows the cost."""
    return Depends(_checking(scope, cost))


def _checking(scope: Scope, cost: int) -> Callable[..., Awaitable[Client]]:
    async def check_client(request: Request, client: Annotated[Client, Depends(_authenticate)]) -> Client:
        wants_download = request.query_params.get("auto_download", "").lower() in _TRUE
        starts_download = wants_download and not is_head(request)
        await _authenticator_of(request).charge(request, client, START_COST if starts_download else cost)
        require_scope(client, scope)
        return client

    return check_client


Reader = Annotated[Client, _client_with(Scope.READ)]
Downloader = Annotated[Client, _client_with(Scope.DOWNLOAD)]
Administrator = Annotated[Client, _client_with(Scope.ADMIN)]
# For routes that may start a run, which costs more.
StartingDownloader = Annotated[Client, _client_with(Scope.DOWNLOAD, START_COST)]
# For routes that may have a bundle built.
StartingReader = Annotated[Client, _client_with(Scope.READ, START_COST)]
# For routes that charge the client themselves.
UnchargedDownloader = Annotated[Client, _client_with(Scope.DOWNLOAD, 0)]


async def _read_recipient(
    request: Request,
    client: Annotated[Client, Depends(_authenticate)],
    origins: OriginsDep,
    # For the description of the API. The value is read from the request, which may have the header twice.
    purpose: Annotated[
        str | None,
        Header(
            alias=PURPOSE_HEADER,
            description="What the documents are wanted for. The access trail keeps it, and its readers see it. At "
            f"most {MAX_PURPOSE_LENGTH} characters, in UTF-8.",
            examples=["due diligence, matter 2026-014"],
        ),
    ] = None,
) -> Recipient:
    session_key = _authenticator_of(request).key_of_session
    has_session = "authorization" not in request.headers and session_key(request) is not None
    return Recipient(
        client,
        request_id_of(request.scope),
        read_purpose(request.headers.getlist(PURPOSE_HEADER)),
        from_page=has_session or origins.sender(request) is Sender.OWN_PAGE,
    )


# For routes that hand documents over: whom the access trail names.
RecipientDep = Annotated[Recipient, Depends(_read_recipient)]


async def _authenticate_for_codec(
    request: Request,
    authenticator: AuthenticatorDep,
    sessions: SessionsDep,
    origins: CodecOriginsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Client:
    """Return the client with the scope ``admin`` that asks the codec.

    Pages of Temporal's UI may use the session with which its user has signed in to our own page: without a login of
    its own, the UI has no key to send.
    """
    sent_origins = request.headers.getlist("origin")
    if sent_origins and not (len(sent_origins) == 1 and sent_origins[0] in origins):
        raise Problem(ProblemCode.FOREIGN_HOST, "AUTOS_CODEC_ORIGINS does not have the origin of this page.")
    key = credentials.credentials if credentials else sessions.key_of(request, from_trusted_page=bool(sent_origins))
    client = await authenticator.authenticate(request, key, of_session=credentials is None)
    structlog.contextvars.bind_contextvars(client=client.name)
    await authenticator.charge(request, client)
    require_scope(client, Scope.ADMIN)
    return client


CodecAdministrator = Annotated[Client, Depends(_authenticate_for_codec)]
