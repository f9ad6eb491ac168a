"""The routes of the court: whether it answers, and the credentials that people bring."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Query, Request
from pydantic import SecretStr
from starlette.responses import JSONResponse, Response

from api.access import Administrator, Reader
from api.parameters import NoQuery
from api.problem_codes import ProblemCode
from api.problems import Problem, documented_problems
from api.schemas import CourtStatusBody, CredentialsBody
from api.temporal_calls import bounded
from domain.court import CourtState, Credentials, TokenReport, Verdict
from domain.errors import ConfigurationError, InvalidInput
from domain.representation import Json, moment
from domain.tokens import read_token, token_expiry

if TYPE_CHECKING:
    from adapters.court_watch import CourtWatch
    from adapters.database import Catalog

_VERDICT_SECONDS = 5.0
_LOOK_SECONDS = 0.1

_log = structlog.get_logger()

router = APIRouter(prefix="/court", tags=["court"], responses=documented_problems())


@dataclass(frozen=True, slots=True)
class CourtDesk:
    """Where people ask after the court, and bring it credentials."""

    catalog: Catalog
    watch: CourtWatch

    async def status(self) -> Json:
        """What is known; the court is not asked."""
        return _status(*await self.catalog.court.overview(), await self.catalog.court_candidate.verdict())

    async def bring(self, credentials: Credentials) -> Json:
        """Have the court tried with credentials, and put them to use if it takes them or nothing better is there.

        Raises:
            Problem: they cannot be stored, for want of a key, or the court refuses them.
            DependencyUnavailable: the database or Temporal does not answer.
        """
        try:
            version = await self.catalog.court_candidate.propose(credentials)
        except ConfigurationError as error:
            raise Problem(ProblemCode.SECRET_KEY_MISSING, str(error)) from None
        async with bounded():
            await self.watch.look()
        if version is not None and await self._verdict(version) is Verdict.REFUSED:
            raise Problem(
                ProblemCode.CREDENTIALS_REFUSED,
                "The court refuses what was brought, and takes the credentials in use. They stay in use.",
            )
        return await self.status()

    async def _verdict(self, version: int) -> Verdict | None:
        """Wait a little for what becomes of a candidate."""
        deadline = asyncio.get_running_loop().time() + _VERDICT_SECONDS
        while True:
            verdict = await self.catalog.court_candidate.verdict(version)
            if verdict is not Verdict.PENDING or asyncio.get_running_loop().time() > deadline:
                return verdict
            await asyncio.sleep(_LOOK_SECONDS)


@router.get("/status", summary="Does the court answer, and when does the token end", response_model=CourtStatusBody)
async def get_court_status(request: Request, client: Reader, query: Annotated[NoQuery, Query()]) -> Response:
    """Tell what the deployment knows of the court. The court itself is not asked, and no token is shown."""
    desk: CourtDesk = request.app.state.court
    return JSONResponse(await desk.status())


@router.put(
    "/credentials",
    summary="Bring a new token for the court",
    response_model=CourtStatusBody,
    responses=documented_problems(409, 413),
)
async def put_credentials(request: Request, client: Administrator, body: CredentialsBody) -> Response:
    """Take a token, a refresh token, or both. Runs that wait for credentials go on within seconds.

    They are stored sealed and never shown again. While good ones are in use, the court is asked with the new ones
    first: if it refuses them, the answer is `credentials_refused` and nothing changes; if it does not answer within
    five seconds, `credentials.candidate` is `pending`, and they are tried when it does.
    """
    desk: CourtDesk = request.app.state.court
    answer = await desk.bring(_read(body))
    _log.info("court credentials brought", client=client.name, renewable=answer["credentials"]["renewable"])
    return JSONResponse(answer)


def _read(body: CredentialsBody) -> Credentials:
    if body.token is None and body.refresh_token is None:
        raise InvalidInput("Send token, refresh_token, or both.", field="token")
    token = _token(body.token, field="token")
    refresh = _token(body.refresh_token, field="refresh_token")
    credentials = Credentials(
        access_token=token,
        refresh_token=refresh,
        expires_at=token_expiry(token) if token else None,
        refresh_expires_at=token_expiry(refresh) if refresh else None,
    )
    for field, ends in (("token", credentials.expires_at), ("refresh_token", credentials.refresh_expires_at)):
        if ends is not None and ends <= datetime.now(UTC):
            raise InvalidInput(
                f"{field} ended at {moment(ends)}: sign in at the court again and bring the new one.",
                code="credentials_expired",
                field=field,
            )
    return credentials


def _token(brought: SecretStr | None, *, field: str) -> str | None:
    return None if brought is None else read_token(brought.get_secret_value(), field=field)


def _status(condition: CourtState, token: TokenReport, candidate: Verdict | None) -> Json:
    failure = condition.failure_code
    return {
        "status": "unavailable" if failure else "answering",
        "since": moment(condition.since),
        "failure": {"code": failure.value, "answer": condition.answer} if failure else None,
        "probes": condition.probes if failure else 0,
        "next_probe_at": moment(condition.next_probe_at),
        "credentials": {
            "source": token.source,
            "expires_at": moment(token.expires_at),
            "renewable": token.renewable,
            "rejected": token.rejected,
            "candidate": candidate if candidate in (Verdict.PENDING, Verdict.REFUSED) else None,
        },
    }
