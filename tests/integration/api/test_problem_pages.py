"""Every problem code has a documentation page, and every page has a problem code."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from api.pages.session import Sessions
from api.problems.codes import ProblemCode
from api.problems.handlers import install_problem_handlers
from api.problems.pages import page_of, parse_page, router

FOLDER = Path(__file__).parents[3] / "docs" / "problems"
HEADINGS = ["What it means", "Why it happens", "What to do"]


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key, of an app that has only the problem pages."""
    app = FastAPI()
    app.state.sessions = Sessions(None, "http://127.0.0.1")
    install_problem_handlers(app)
    app.include_router(router)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("code", ProblemCode)
def test_problem_page_has_all_sections(code: ProblemCode) -> None:
    lines = page_of(code).splitlines()
    assert lines[0] == f"# {code}"
    assert f"Status {code.status}." in lines
    sections = [section.partition("\n")[::2] for section in page_of(code).split("\n## ")[1:]]
    assert [heading for heading, _ in sections] == HEADINGS
    assert [heading for heading, text in sections if len(text.strip()) < 30] == []


@pytest.mark.parametrize("code", ProblemCode)
def test_problem_page_has_no_markdown_that_browsers_would_be_shown_as_it_is(code: ProblemCode) -> None:
    blocks = [block for section in parse_page(code).sections for block in (*section.paragraphs, *section.items)]
    prose = " ".join(text for block in blocks for text, is_code in block if not is_code)
    assert re.findall(r"\*|\]\(|\b_|_\b|^#|\|", prose) == []


def test_every_page_has_a_problem_code() -> None:
    pages = {page.stem for page in FOLDER.iterdir()}
    assert pages == {*ProblemCode, "README"}


def test_index_lists_every_problem_with_its_status() -> None:
    index = (FOLDER / "README.md").read_text()
    missing = [code for code in ProblemCode if f"| [`{code}`]({code}.md) | {code.status} |" not in index]
    assert missing == []


async def test_problem_type_url_serves_its_page(client: httpx2.AsyncClient) -> None:
    problem = (await client.get("/nothing/here")).json()
    page = await client.get(problem["type"])
    assert (page.status_code, page.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert page.text == page_of(ProblemCode.NOT_FOUND)


@pytest.mark.parametrize("name", ["no_such_problem", "README", "not_found.md", "%2e%2e%2ffailures", "NOT_FOUND"])
async def test_unknown_problem_page_is_not_found(client: httpx2.AsyncClient, name: str) -> None:
    answer = await client.get(f"/problems/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "text/markdown"),
        (CHROMIUM, "text/html"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("text/*", "text/markdown"),
        ("text/html;q=0, */*;q=0.1", "text/markdown"),
        ("image/png", "text/markdown"),
        ("text/html;q=high", "text/markdown"),
    ],
)
async def test_problem_page_has_the_preferred_form(
    client: httpx2.AsyncClient, accept: str, media_type: str
) -> None:
    page = await client.get("/problems/rate_limited", headers={"Accept": accept})
    assert page.headers["content-type"].partition(";")[0] == media_type
    assert "Accept" in page.headers["vary"].split(", ")


@pytest.mark.parametrize("code", ProblemCode)
async def test_html_page_has_the_whole_text_in_both_languages(
    client: httpx2.AsyncClient, code: ProblemCode
) -> None:
    for language, heading in (("en", "What to do"), ("pt-BR", "O que fazer")):
        page = await client.get(f"/problems/{code}", headers={"Accept": CHROMIUM, "Accept-Language": language})
        assert f"<h2>{heading}</h2>" in page.text
        assert f'lang="{language}"' in page.text
        shown = " ".join(html.unescape(re.sub("<[^>]+>", "", page.text)).split())
        for section in parse_page(code).sections:
            assert section.paragraphs or section.items
            for pieces in (*section.paragraphs, *section.items):
                assert "".join(piece for piece, _ in pieces) in shown
        assert page.headers["cache-control"] == "no-store"


async def test_json_page_has_the_sections(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/problems/not_found", headers={"Accept": "application/json"})).json()
    assert (page["code"], page["status"]) == ("not_found", 404)
    assert all(page[section] in page_of(ProblemCode.NOT_FOUND) for section in page if section.startswith("wh"))
