"""Routes: the court's state and credentials."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.deps import Administrator, CourtServiceDep, Reader
from api.json_bodies import JsonRoute
from api.problems.problem import documented_problems
from api.schemas.court import CourtStatusBody, CredentialsBody
from api.schemas.parameters import NoQuery

router = APIRouter(prefix="/court", tags=["court"], responses=documented_problems(), route_class=JsonRoute)


@router.get("/status", summary="Get the court's status")
async def get_court_status(
    client: Reader, query: Annotated[NoQuery, Query()], court: CourtServiceDep
) -> CourtStatusBody:
    """Whether the court answers, and when the token expires.

    This is what the deployment knows: the court itself is not asked. The token is not shown.
    """
    return await court.get_status()


@router.put("/credentials", summary="Update the court's credentials", responses=documented_problems(409, 413, 415))
async def put_credentials(client: Administrator, body: CredentialsBody, court: CourtServiceDep) -> CourtStatusBody:
    """Send a token, a refresh token, or both. Runs that wait for credentials continue within seconds.

    Credentials are stored encrypted and never shown. While good ones are in use, the new ones are first tried at
    the court. If it refuses them, the answer is `credentials_refused` and nothing changes. If it does not answer
    within five seconds, `credentials.candidate` is `pending`, and they are tried once it answers.
    """
    return await court.update_credentials(client, body)
