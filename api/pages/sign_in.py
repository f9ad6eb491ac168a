"""Signing in with an API key, and out."""

from __future__ import annotations

import re

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.access import Gatekeeper
from api.pages.forms import Form
from api.pages.rendering import PageRoute, page
from api.pages.session import Sessions
from api.problem_codes import ProblemCode
from api.problems import Problem

# Where signing in may lead: nowhere else than to our own pages.
_OURS = re.compile(r"/(?:ui/processes/[0-9.-]{20,25})?")

_log = structlog.get_logger()

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
async def get_sign_in(request: Request) -> Response:
    """A form for the key; straight on for those who need none or have signed in."""
    following = _following(request.query_params.get("next", ""))
    sessions: Sessions = request.app.state.sessions
    if await _is_admitted(request, sessions.key_of(request), of_session=True):
        return RedirectResponse(following, 303)
    return _form(request, following)


@router.post("/sign-in")
async def sign_in(request: Request, form: Form) -> Response:
    """Begin a session with the key that was entered."""
    following = _following(form.get("next", ""))
    key = form.get("key", "").strip()
    if not await _is_admitted(request, key):
        return _form(request, following, wrong=True)
    response = RedirectResponse(following, 303)
    sessions: Sessions = request.app.state.sessions
    sessions.begin(response, key)
    _log.info("signed in")
    return response


@router.post("/sign-out")
async def sign_out(request: Request, form: Form) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/ui/sign-in", 303)
    sessions: Sessions = request.app.state.sessions
    sessions.end(response)
    return response


def _form(request: Request, following: str, *, wrong: bool = False) -> Response:
    sessions: Sessions = request.app.state.sessions
    return page(
        request,
        "sign_in",
        status=401 if wrong else 200,
        following=following,
        wrong=wrong,
        possible=sessions.possible,
    )


async def _is_admitted(request: Request, key: str | None, *, of_session: bool = False) -> bool:
    gatekeeper: Gatekeeper = request.app.state.gatekeeper
    try:
        await gatekeeper.admit(request, key, of_session=of_session)
    except Problem as problem:
        if problem.code is not ProblemCode.UNAUTHORIZED:
            raise
        return False
    return True


def _following(wanted: str) -> str:
    return wanted if _OURS.fullmatch(wanted) else "/"
