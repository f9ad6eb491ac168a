"""The page behind every problem's ``type``: what it means, why it happens, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.pages.reference import split_code
from api.pages.rendering import add_page_headers, render_page
from api.preferences import preferred_media_type
from api.problems.codes import ProblemCode
from api.problems.problem import Problem, only_problems
from api.schemas.problems import ProblemPageBody

_FOLDER = Path(__file__).parents[2] / "docs" / "problems"
_CACHE_SECONDS = 3600
_MARKDOWN, _HTML, _JSON = "text/markdown", "text/html", "application/json"

router = APIRouter(tags=["operation"])


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a page. Each text is a list of pieces, and whether each of them is code."""

    heading: str
    text: str
    paragraphs: list[list[tuple[str, bool]]]
    items: list[list[tuple[str, bool]]]


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """The page of a problem."""

    code: str
    status: int
    sections: list[Section]


def page_of(code: ProblemCode) -> str:
    """Return the page of a problem, as Markdown."""
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")


@cache
def parse_page(code: ProblemCode) -> ProblemPage:
    """Return the page of a problem in its parts."""
    _, *sections = page_of(code).split("\n## ")
    return ProblemPage(code.value, code.status, [_parse_section(section) for section in sections])


def _parse_section(markdown: str) -> Section:
    heading, _, text = markdown.partition("\n")
    blocks = text.strip().split("\n\n")
    items = [item for block in blocks if block.startswith("- ") for item in block[2:].split("\n- ")]
    return Section(
        heading=heading,
        text=text.strip(),
        paragraphs=[_pieces(block) for block in blocks if not block.startswith("- ")],
        items=[_pieces(item) for item in items],
    )


def _pieces(text: str) -> list[tuple[str, bool]]:
    return list(split_code(" ".join(text.split())))


@router.get(
    "/problems/{code}",
    summary="Explain a problem",
    response_class=Response,
    responses={
        200: {
            "model": ProblemPageBody,
            "content": {media_type: {"schema": {"type": "string"}} for media_type in (_MARKDOWN, _HTML)},
        },
        **only_problems(404),
    },
)
def get_problem_page(request: Request, code: str) -> Response:
    """The page that a problem's `type` links to: for browsers as HTML, else as Markdown or JSON.

    No key is needed: clients without one have problems too.
    """
    try:
        known = ProblemCode(code)
    except ValueError:
        raise Problem(
            ProblemCode.NOT_FOUND, f"There is no problem with this code. The codes are: {', '.join(ProblemCode)}."
        ) from None
    chosen = preferred_media_type(request.headers.get("accept"), (_MARKDOWN, _HTML, _JSON))
    if chosen == _HTML:
        response = render_page(request, "problem_page", page=parse_page(known))
        response.headers["Vary"] = "Accept, Accept-Language, Cookie"
        add_page_headers(response)
        return response
    headers = {"Cache-Control": f"public, max-age={_CACHE_SECONDS}", "Vary": "Accept"}
    if chosen == _JSON:
        return JSONResponse(_json_page(parse_page(known)), headers=headers)
    return Response(page_of(known), media_type=_MARKDOWN, headers=headers)


def _json_page(page: ProblemPage) -> dict[str, Any]:
    sections = {section.heading.lower().replace(" ", "_"): section.text for section in page.sections}
    return ProblemPageBody(code=page.code, status=page.status, **sections).model_dump()
