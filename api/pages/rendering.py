"""Renders templates, with the headers of every page. Problems become pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.deps import sessions_of
from api.pages import formats
from api.pages.session import COOKIE
from api.pages.texts import TEXTS, Language, preferred_language
from api.problems.codes import ProblemCode
from api.problems.handlers import KnownError, to_problem
from api.problems.problem import Problem
from domain.errors import ConfigurationError, DependencyUnavailable, InvalidInput, ProcessErased

_HERE = Path(__file__).parent
_INTERVAL_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it, browsers do not send the Origin of a form's page.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}
STATIC = {path.name: path.read_bytes() for path in (_HERE / "static").iterdir()}
_VERSION = sha256(b"".join(STATIC[name] for name in sorted(STATIC))).hexdigest()[:12]

_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Translator:
    """The texts of one language, and its formats of numbers, sizes and times."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._texts = TEXTS[language]

    def __call__(self, key: str, **values: object) -> str:
        """Return the text with this name."""
        return self._texts[key].format(**values) if values else self._texts[key]

    def has(self, key: str) -> bool:
        """Return whether there is a text with this name."""
        return key in self._texts

    def number(self, value: float) -> str:
        """Format a whole number."""
        return formats.number(value, self.language)

    def size(self, amount: int) -> str:
        """Format a number of bytes, so that no line breaks before the unit."""
        return formats.size(amount, self.language).replace(" ", "\N{NO-BREAK SPACE}")

    def date(self, moment: datetime) -> str:
        """Format a date."""
        return formats.date(moment, self.language)

    def time(self, moment: datetime) -> str:
        """Format a time of day."""
        return formats.time_of_day(moment)

    def reais(self, value: str) -> str:
        """Format an amount of money, so that no line breaks after the currency."""
        return formats.reais(value, self.language).replace(" ", "\N{NO-BREAK SPACE}")

    def interval(self, seconds: int) -> str:
        """Format how often something happens, in the largest unit that has a whole number of it."""
        unit, length = next((each for each in _INTERVAL_UNITS if seconds % each[1] == 0), _INTERVAL_UNITS[-1])
        count = max(seconds // length, 1)
        return self(f"every_{unit}") if count == 1 else self(f"every_{unit}s", count=self.number(count))

    def moment(self, moment: datetime) -> str:
        """Format a date and time."""
        return formats.day_and_time(moment, self.language)


def translator_of(request: Request) -> Translator:
    """Return the texts in the language that the browser prefers."""
    return Translator(preferred_language(request.headers.get("accept-language")))


def render_page(request: Request, template: str, *, status: int = 200, **content: object) -> Response:
    """Render a template in the language that the browser prefers.

    Args:
        request: The request.
        template: The template's name, without its suffixes.
        status: The HTTP status.
        content: The variables of the template.
    """
    text = _templates.get_template(f"{template}.html.jinja").render(
        t=translator_of(request),
        version=_VERSION,
        signed_in=COOKIE in request.cookies,
        form_token=sessions_of(request).form_token(request),
        **content,
    )
    return HTMLResponse(text, status)


def add_page_headers(response: Response) -> None:
    """Add the headers of every page, as far as the response does not have them."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


class PageRoute(APIRoute):
    """A route whose problems are rendered as pages. Without a session, it redirects to the sign-in page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, wrapped to render problems and add the headers of every page."""
        handle = super().get_route_handler()

        async def handle_with_page(request: Request) -> Response:
            try:
                response = await handle(request)
            except (
                Problem,
                InvalidInput,
                ProcessErased,
                DependencyUnavailable,
                ConfigurationError,
                RequestValidationError,
            ) as error:
                response = _render_problem(request, _to_page_problem(error))
            add_page_headers(response)
            return response

        return handle_with_page


def _to_page_problem(error: KnownError) -> Problem:
    if isinstance(error, RequestValidationError):
        # The parameters of a page's routes mean nothing to a person.
        return Problem(ProblemCode.INVALID_REQUEST, "The request is not valid.")
    return to_problem(error)


def _render_problem(request: Request, problem: Problem) -> Response:
    if problem.code is ProblemCode.UNAUTHORIZED:
        query = f"?{request.url.query}" if request.url.query else ""
        back = {"next": request.url.path + query}
        if request.method not in ("GET", "HEAD"):
            back["ended"] = "yes"
        return RedirectResponse(f"/ui/sign-in?{urlencode(back)}", 303)
    response = render_page(
        request, "problem", status=problem.status, code=problem.code.value, detail=problem.detail
    )
    response.headers.update(problem.headers)
    return response
