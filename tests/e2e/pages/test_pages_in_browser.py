"""The pages in a real browser over a real stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from playwright.async_api import Browser, expect

from domain.errors import FailureCode
from tests.support.browser import PHONE, Visitor, visiting
from tests.support.failed_documents import mark_documents_failed
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


@pytest.fixture
def base(shared_stack: RunningStack) -> str:
    """The origin of the pages."""
    return str(shared_stack.addresses["api"])


@pytest.fixture(scope="module")
async def failing(shared_stack: RunningStack) -> str:
    """A process with two failed documents of six."""
    number = await shared_stack.create_ended_run(6)
    mark_documents_failed(
        shared_stack, number, [2, 5], FailureCode.SOURCE_UNAVAILABLE, "HTTP 500: Erro interno na API do Codex"
    )
    return number


@pytest.fixture(scope="module")
async def complete(shared_stack: RunningStack) -> str:
    """A process whose documents are all stored."""
    return await shared_stack.create_ended_run(4)


@asynccontextmanager
async def slow_court(stack: RunningStack, seconds: float) -> AsyncIterator[None]:
    """Delay every answer of the court for as long as the block lasts."""
    await stack.set_latency(seconds)
    try:
        yield
    finally:
        await stack.set_latency(0)


@asynccontextmanager
async def held_open(stack: RunningStack, number: str) -> AsyncIterator[None]:
    """Have the first document fail for as long as the block lasts: until its fifth attempt, no run can end."""
    fault = await stack.inject_fault("codex_error", number, documents=[0])
    try:
        yield
    finally:
        await stack.end_fault(fault)


async def enter_number(visitor: Visitor, number: str) -> None:
    """Open the first page, type a number and press Enter, with the keyboard alone."""
    await visitor.open()
    await expect(visitor.page.get_by_label("Process number")).to_be_focused()
    await visitor.page.keyboard.type(number)
    await visitor.page.keyboard.press("Enter")
    await visitor.page.wait_for_url("**/ui/processes/*")


async def test_a_run_is_started_by_keyboard_and_shown_until_it_ends(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = fresh_number()
    await shared_stack.create_process(number, 20, second_instance_documents=11)
    async with slow_court(shared_stack, 0.8), visiting(browser, base) as visitor:
        page = visitor.page
        async with held_open(shared_stack, number):
            await enter_number(visitor, number.replace("-", "").replace(".", ""))
            await expect(page.get_by_role("heading", level=1)).to_have_text(f"Process {number}")
            await expect(page.locator("tbody tr")).to_have_count(31)
            await expect(page.locator("tbody")).to_have_count(2)
            # Updates of the page must not fold what was unfolded, or move the focus or the scroll position.
            await page.get_by_text("Type, instance, status and date").click()
            await page.get_by_label("Words in the name or type").fill("typed meanwhile")
            await page.get_by_role("button", name="Cancel").focus()
            await page.evaluate("document.body.dataset.sameDocument = 'yes'; scrollTo(0, 200)")
            await expect(page.locator("#status")).to_have_text("Downloading")
            await expect(page.get_by_role("button", name="Cancel")).to_be_focused()

        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.locator("#announcement")).to_have_text("Complete")
        await expect(page.locator("progress")).to_have_attribute("value", "31")
        assert await page.evaluate("[document.body.dataset.sameDocument, scrollY]") == ["yes", 200]
        await expect(page.locator("#more-filters")).to_have_attribute("open", "")
        await expect(page.get_by_label("Words in the name or type")).to_have_value("typed meanwhile")
        # The focused button is gone, so the focus moves to the heading of what has changed.
        await expect(page.get_by_role("heading", level=1)).to_be_focused()

        await expect(page.get_by_role("link", name="Save")).to_have_count(31)
        await expect(page.locator("tbody td.place").nth(30)).to_have_text("031")
        # PDFs open in a new tab, and a tab of theirs cannot reach the page.
        links = page.get_by_role("link", name="Open")
        assert await links.count() > 10
        assert await links.first.get_attribute("rel") == "noopener noreferrer"
        async with visitor.context.expect_event(
            "response", lambda answer: answer.url.startswith(shared_stack.addresses["s3"])
        ) as opened:
            await links.first.press("Enter")
        answer = await opened.value
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("inline;")
        visitor.assert_no_complaints()


async def test_names_have_room_on_a_tablet_and_on_paper(browser: Browser, base: str, complete: str) -> None:
    async with visiting(browser, base, viewport={"width": 718, "height": 900}, color_scheme="dark") as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{complete}")
        for medium in ("screen", "print"):
            await page.emulate_media(media=medium)
            name = await page.locator("td.what").first.bounding_box()
            assert name is not None
            assert name["width"] > 120
            assert not await visitor.scrolls_sideways()
        # On paper: dark on white, and words instead of buttons.
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        await expect(page.get_by_role("link", name="Save")).to_have_count(0)
        await expect(page.locator("td.became").first).to_contain_text("Available")
        await expect(page.locator(".printed").first).to_be_visible()


async def test_the_buttons_pause_resume_and_cancel_a_run(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = fresh_number()
    await shared_stack.create_process(number, 105, size_bytes=1000)
    async with slow_court(shared_stack, 0.5), visiting(browser, base) as visitor:
        page = visitor.page
        async with held_open(shared_stack, number):
            await enter_number(visitor, number)
            await expect(page.locator("#status")).to_have_text("Downloading")
            await page.get_by_role("button", name="Pause").click()
            await expect(page.locator("#status")).to_have_text("Paused")
            await page.get_by_role("button", name="Resume").click()
            await expect(page.locator("#status")).to_have_text("Downloading")
            await page.get_by_role("button", name="Cancel").click()
            await expect(page.locator("#status")).to_have_text("Incomplete")
            await expect(page.get_by_text("The last download was cancelled.")).to_be_visible()
    async with visiting(browser, base) as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{number}")
        await page.get_by_role("button", name="Download").click()
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.locator("tbody tr")).to_have_count(100)
        await page.get_by_role("link", name="Next page of documents").click()
        await expect(page.locator("tbody tr")).to_have_count(5)
        await page.get_by_role("link", name="First page of documents").click()
        await expect(page.locator("tbody tr")).to_have_count(100)
        visitor.assert_no_complaints()


@pytest.mark.parametrize(
    ("locale", "tag", "heading", "status"),
    [("pt-BR", "pt-BR", "Processo", "Completo"), ("en-GB", "en", "Process", "Complete")],
)
async def test_the_pages_use_the_language_of_the_browser(
    browser: Browser, base: str, complete: str, locale: str, tag: str, heading: str, status: str
) -> None:
    async with visiting(browser, base, locale=locale) as visitor:
        await visitor.open(f"/ui/processes/{complete}")
        await expect(visitor.page.locator("html")).to_have_attribute("lang", tag)
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(f"{heading} {complete}")
        await expect(visitor.page.locator("#status")).to_have_text(status)
        visitor.assert_no_complaints()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_pages_fit_on_a_phone(browser: Browser, base: str, complete: str, scheme: str) -> None:
    async with visiting(browser, base, color_scheme=scheme, **PHONE) as visitor:
        for path in ("/", f"/ui/processes/{complete}"):
            await visitor.open(path)
            assert not await visitor.scrolls_sideways()
            small = await visitor.page.evaluate(
                "[...document.querySelectorAll('nav a, main :is(a, button, input, select, summary, textarea)')]"
                ".filter(item => item.type !== 'hidden' && item.offsetParent)"
                ".filter(item => item.getBoundingClientRect().height < 44)"
                ".map(item => item.outerHTML)"
            )
            assert small == []
        visitor.assert_no_complaints()


async def test_the_pages_work_without_javascript(shared_stack: RunningStack, browser: Browser, base: str) -> None:
    number = fresh_number()
    await shared_stack.create_process(number, 3)
    async with visiting(browser, base, java_script_enabled=False) as visitor:
        async with held_open(shared_stack, number):
            await visitor.open()
            await visitor.page.get_by_label("Process number").fill(number)
            await visitor.page.get_by_role("button", name="Download documents").click()
            await expect(visitor.page.get_by_text("Reload this page")).to_be_visible()
        await shared_stack.wait_until_ended(number)
        await visitor.page.get_by_role("link", name="Reload this page").click()
        await expect(visitor.page.locator("#status")).to_have_text("Complete")
        await expect(visitor.page.get_by_role("link", name="Save")).to_have_count(3)
        await visitor.open()
        await expect(visitor.page.get_by_role("link", name=number)).to_be_visible()


@pytest.mark.parametrize(
    ("entered", "expected"),
    [
        ("", "Enter a process number."),
        ("12 & <b>", "This is not a process number"),
        ("1011745-78.2025.8.11.0041", 'href="/ui/processes/1011745-77.2025.8.11.0041"'),
    ],
)
async def test_a_wrong_number_is_explained_beside_the_field(base: str, entered: str, expected: str) -> None:
    async with httpx2.AsyncClient(base_url=base, headers={"Origin": base}, timeout=60) as client:
        answer = await client.post("/ui/processes", data={"number": entered})
    assert answer.status_code == 422
    assert expected in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text


async def test_a_cross_site_form_is_refused(shared_stack: RunningStack, base: str) -> None:
    number = fresh_number()
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}, {}):
        async with httpx2.AsyncClient(base_url=base, timeout=60) as client:
            answer = await client.post("/ui/processes", data={"number": number}, headers=headers)
        assert answer.status_code == 403
        assert "text/html" in answer.headers["content-type"]
    assert (await shared_stack.api.get(f"/processes/{number}")).status_code == 404


async def test_failed_documents_are_explained_and_retried(
    shared_stack: RunningStack, browser: Browser, base: str, failing: str
) -> None:
    number = failing
    async with visiting(browser, base) as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{number}")
        await expect(page.locator("#status")).to_have_text("Some documents failed")
        reasons = page.locator("tbody .reason")
        await expect(reasons).to_have_count(2)
        await expect(reasons.first).to_have_text(
            "The court's system could not deliver this document. It can be retried."
        )
        answer = page.locator("tbody .answer").first
        await expect(answer.locator("blockquote")).to_be_hidden()
        await answer.get_by_text("What the court answered").click()
        await expect(answer.locator("blockquote")).to_have_text("HTTP 500: Erro interno na API do Codex")
        await expect(answer.locator("blockquote")).to_have_attribute("lang", "pt-BR")
        await page.get_by_role("button", name="Retry the 2 failed documents").click()
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.get_by_role("link", name="Save")).to_have_count(6)
        visitor.assert_no_complaints()
