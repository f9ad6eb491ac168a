"""Sign in with an API key, and sign out."""

from __future__ import annotations

import re

import structlog
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from api.auth import Authenticator
from api.deps import AuthenticatorDep, SessionsDep
from api.pages.forms import Form
from api.pages.rendering import PageRoute, render_page
from api.pages.session import Sessions
from api.problems.codes import ProblemCode
from api.problems.problem import Problem

# The pages that signing in may redirect to: only our own (no open redirect), with the search that was on the way.
_OWN_PAGES = re.compile(r"/(?:ui/processes/[0-9.-]{20,25})?(?:\?[\w%&=+.~*-]*)?", re.ASCII)
# What belongs to a process's page leads to that page: after a redirect to a download, the form would stay.
_PARTS_OF_A_PAGE = re.compile(r"(?P<page>/ui/processes/[0-9.-]{20,25})/.*")

_log = structlog.get_logger()

router = APIRouter(prefix="/ui", route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
async def get_sign_in(request: Request, authenticator: AuthenticatorDep, sessions: SessionsDep) -> Response:
    """Show a form for the key. Redirect if no key is needed or the browser is signed in."""
    target = _safe_target(request.query_params.get("next", ""))
    if await _is_valid(authenticator, request, sessions.key_of(request), of_session=True):
        return RedirectResponse(target, 303)
    return _show_form(request, sessions, target)


@router.post("/sign-in")
async def sign_in(request: Request, form: Form, authenticator: AuthenticatorDep, sessions: SessionsDep) -> Response:
    """Begin a session with the entered key."""
    target = _safe_target(form.get("next", ""))
    key = form.get("key", "").strip()
    if not await _is_valid(authenticator, request, key):
        return _show_form(request, sessions, target, wrong=True)
    response = RedirectResponse(target, 303)
    sessions.begin(response, key)
    _log.info("signed in")
    return response


@router.post("/sign-out")
async def sign_out(form: Form, sessions: SessionsDep) -> Response:
    """End the session in this browser."""
    response = RedirectResponse("/ui/sign-in", 303)
    sessions.end(response)
    return response


def _show_form(request: Request, sessions: Sessions, target: str, *, wrong: bool = False) -> Response:
    return render_page(
        request,
        "sign_in",
        status=401 if wrong else 200,
        target=target,
        wrong=wrong,
        possible=sessions.possible,
        ended="ended" in request.query_params and not wrong,
    )


async def _is_valid(
    authenticator: Authenticator, request: Request, key: str | None, *, of_session: bool = False
) -> bool:
    try:
        await authenticator.authenticate(request, key, of_session=of_session)
    except Problem as problem:
        if problem.code is not ProblemCode.UNAUTHORIZED:
            raise
        return False
    return True


def _safe_target(path: str) -> str:
    if part := _PARTS_OF_A_PAGE.fullmatch(path):
        return part["page"]
    return path if _OWN_PAGES.fullmatch(path) else "/"
