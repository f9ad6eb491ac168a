"""From templates to answers, with the headers that every page carries."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.pages import formats
from api.pages.session import COOKIE, Sessions
from api.pages.texts import TEXTS, Language, preferred_language
from api.problem_codes import ProblemCode
from api.problems import Problem, misconfigured
from domain.errors import ConfigurationError, DependencyUnavailable, InvalidInput

_HERE = Path(__file__).parent
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: under it browsers hide from us which page has sent a form.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}
STATIC = {path.name: path.read_bytes() for path in (_HERE / "static").iterdir()}
_VERSION = sha256(b"".join(STATIC[name] for name in sorted(STATIC))).hexdigest()[:12]

_log = structlog.get_logger()
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Words:
    """The words of one language, and how it writes numbers, sizes and moments."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = TEXTS[language]

    def __call__(self, key: str, **values: object) -> str:
        """The text with this name."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def has(self, key: str) -> bool:
        """Whether there is a text with this name."""
        return key in self._texts

    def number(self, value: float) -> str:
        """A whole number."""
        return formats.number(value, self.language)

    def size(self, amount: int) -> str:
        """An amount of bytes."""
        return formats.size(amount, self.language)

    def date(self, moment: datetime) -> str:
        """A day."""
        return formats.date(moment, self.language)

    def moment(self, moment: datetime) -> str:
        """A day and a time."""
        return formats.day_and_time(moment, self.language)


def page(request: Request, template: str, *, status: int = 200, **content: object) -> Response:
    """A page made from a template, in the language that the browser asks for.

    Args:
        request: whose answer it is.
        template: the template's name without its endings.
        status: the HTTP status.
        content: what the template shows.
    """
    sessions: Sessions = request.app.state.sessions
    text = _templates.get_template(f"{template}.html.jinja").render(
        t=Words(preferred_language(request.headers.get("accept-language"))),
        version=_VERSION,
        signed_in=COOKIE in request.cookies,
        form_token=sessions.form_token(request),
        **content,
    )
    return HTMLResponse(text, status)


class PageRoute(APIRoute):
    """A route whose problems are pages too. Who has not signed in is asked to."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's own handler between the pages for problems and the headers of every page."""
        answer = super().get_route_handler()

        async def answer_with_page(request: Request) -> Response:
            try:
                response = await answer(request)
            except (
                Problem,
                InvalidInput,
                DependencyUnavailable,
                ConfigurationError,
                RequestValidationError,
            ) as error:
                response = _problem_page(request, _problem(error))
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return answer_with_page


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case InvalidInput():
            return Problem(ProblemCode(error.code), str(error))
        case DependencyUnavailable():
            _log.error("dependency unavailable", dependency=error.dependency, detail=str(error))
            return Problem(ProblemCode(f"{error.dependency}_unavailable"), str(error), headers={"Retry-After": "5"})
        case ConfigurationError():
            _log.error("misconfigured", detail=str(error))
            return misconfigured()
        case _:
            return Problem(ProblemCode.INVALID_REQUEST, "The request is not valid.")


def _problem_page(request: Request, problem: Problem) -> Response:
    if problem.code is ProblemCode.UNAUTHORIZED:
        back = {"next": request.url.path} if request.method == "GET" else {}
        return RedirectResponse(f"/ui/sign-in?{urlencode(back)}".rstrip("?"), 303)
    response = page(request, "problem", status=problem.status, code=problem.code.value, detail=problem.detail)
    response.headers.update(problem.headers)
    return response
