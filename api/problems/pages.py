"""The page behind every problem's ``type``: what it means, why it happens, and what to do."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.problems.codes import ProblemCode
from api.problems.problem import Problem, only_problems

_FOLDER = Path(__file__).parents[2] / "docs" / "problems"
_CACHE_SECONDS = 3600

router = APIRouter(tags=["operation"])


def page_of(code: ProblemCode) -> str:
    """Return the page of a problem, as Markdown."""
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")


@router.get(
    "/problems/{code}",
    summary="Explain a problem",
    response_class=Response,
    responses={
        200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
        **only_problems(404),
    },
)
def get_problem_page(request: Request, code: str) -> Response:
    """The page that a problem's `type` links to. No key is needed: clients without one have problems too."""
    try:
        known = ProblemCode(code)
    except ValueError:
        raise Problem(
            ProblemCode.NOT_FOUND, f"There is no problem with this code. The codes are: {', '.join(ProblemCode)}."
        ) from None
    return Response(
        page_of(known),
        media_type="text/markdown",
        headers={"Cache-Control": f"public, max-age={_CACHE_SECONDS}"},
    )
