"""The page behind every problem's ``type``: what it means, why it happens, and what to do."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.problem_codes import ProblemCode
from api.problems import Problem, only_problems

# In a wheel the pages lie beside this module; in the repository they are documentation.
_INSTALLED = Path(__file__).with_name("problems_described")
_FOLDER = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1] / "docs" / "problems"
_CACHE_SECONDS = 3600

router = APIRouter(tags=["operation"])


def page_of(code: ProblemCode) -> str:
    """The page of a problem, as Markdown."""
    return (_FOLDER / f"{code}.md").read_text(encoding="utf-8")


@router.get(
    "/problems/{code}",
    summary="What a problem means, and what to do about it",
    response_class=Response,
    responses={
        200: {"content": {"text/markdown": {"schema": {"type": "string"}}}},
        **only_problems(404),
    },
)
def get_problem_page(request: Request, code: str) -> Response:
    """The address that a problem's `type` gives. Anybody may read it: those without a key have problems too."""
    try:
        known = ProblemCode(code)
    except ValueError:
        raise Problem(
            ProblemCode.NOT_FOUND, f"There is no problem of this name. They are: {', '.join(ProblemCode)}."
        ) from None
    return Response(
        page_of(known),
        media_type="text/markdown",
        headers={"Cache-Control": f"public, max-age={_CACHE_SECONDS}"},
    )
