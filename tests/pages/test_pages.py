"""The pages in a real browser, over a real stack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from playwright.async_api import Browser, expect

from domain.errors import FailureCode
from tests.support.browser import PHONE, Visitor, visiting
from tests.support.failed_documents import fail_documents
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


@pytest.fixture
def base(shared_stack: RunningStack) -> str:
    """Where the pages are."""
    return str(shared_stack.addresses["api"])


@pytest.fixture(scope="module")
async def failing(shared_stack: RunningStack) -> str:
    """A process of which two documents have failed."""
    number = fresh_number()
    await shared_stack.prepare(number, 6)
    await shared_stack.request(number)
    await shared_stack.ended(number)
    fail_documents(
        shared_stack, number, [2, 5], FailureCode.SOURCE_UNAVAILABLE, "HTTP 500: Erro interno na API do Codex"
    )
    return number


@pytest.fixture(scope="module")
async def complete(shared_stack: RunningStack) -> str:
    """A process of which everything is stored."""
    number = fresh_number()
    await shared_stack.prepare(number, 4)
    await shared_stack.request(number)
    await shared_stack.ended(number)
    return number


@asynccontextmanager
async def unhurried(stack: RunningStack, seconds: float) -> AsyncIterator[None]:
    """A court that takes its time."""
    await stack.latency(seconds)
    try:
        yield
    finally:
        await stack.latency(0)


async def enter(visitor: Visitor, number: str) -> None:
    """Open the first page, type a number and press Enter, with the keyboard alone."""
    await visitor.open()
    await expect(visitor.page.get_by_label("Process number")).to_be_focused()
    await visitor.page.keyboard.type(number)
    await visitor.page.keyboard.press("Enter")
    await visitor.page.wait_for_url("**/ui/processes/*")


async def test_a_number_is_entered_by_keyboard_alone_and_watched_to_its_end(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = fresh_number()
    await shared_stack.prepare(number, 20, second_instance_documents=11)
    async with unhurried(shared_stack, 0.8), visiting(browser, base) as visitor:
        page = visitor.page
        await enter(visitor, number.replace("-", "").replace(".", ""))
        await expect(page.get_by_role("heading", level=1)).to_have_text(f"Process {number}")
        await expect(page.locator("tbody tr")).to_have_count(31)
        await expect(page.locator("tbody")).to_have_count(2)
        # What a person has begun to do here is not disturbed.
        await page.get_by_role("button", name="Cancel").focus()
        await page.evaluate("document.body.dataset.sameDocument = 'yes'; scrollTo(0, 200)")
        await expect(page.locator("#status")).to_have_text("Downloading")
        await expect(page.get_by_role("button", name="Cancel")).to_be_focused()

        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.locator("#announcement")).to_have_text("Complete")
        await expect(page.locator("progress")).to_have_attribute("value", "31")
        assert await page.evaluate("[document.body.dataset.sameDocument, scrollY]") == ["yes", 200]
        # The button is gone: its reader goes on at the top of what has changed.
        await expect(page.get_by_role("heading", level=1)).to_be_focused()

        links = page.get_by_role("link", name="Open")
        await expect(links).to_have_count(31)
        async with visitor.context.expect_event(
            "response", lambda answer: answer.url.startswith(shared_stack.addresses["s3"])
        ) as opened:
            await links.first.press("Enter")
        assert (await opened.value).status == 200
        assert visitor.behaved()


async def test_a_run_is_paused_resumed_and_cancelled_by_its_buttons(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = fresh_number()
    await shared_stack.prepare(number, 105, size_bytes=1000)
    async with unhurried(shared_stack, 0.5), visiting(browser, base) as visitor:
        page = visitor.page
        await enter(visitor, number)
        await expect(page.locator("#status")).to_have_text("Downloading")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#status")).to_have_text("Paused")
        await page.get_by_role("button", name="Resume").click()
        await expect(page.locator("#status")).to_have_text("Downloading")
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#status")).to_have_text("Not complete")
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
        assert visitor.behaved()


@pytest.mark.parametrize(
    ("locale", "tag", "heading", "status"),
    [("pt-BR", "pt-BR", "Processo", "Completo"), ("en-GB", "en", "Process", "Complete")],
)
async def test_the_pages_speak_the_browsers_language(
    browser: Browser, base: str, complete: str, locale: str, tag: str, heading: str, status: str
) -> None:
    async with visiting(browser, base, locale=locale) as visitor:
        await visitor.open(f"/ui/processes/{complete}")
        await expect(visitor.page.locator("html")).to_have_attribute("lang", tag)
        await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(f"{heading} {complete}")
        await expect(visitor.page.locator("#status")).to_have_text(status)
        assert visitor.behaved()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_nothing_is_wider_than_the_screen_or_too_small_for_a_finger(
    browser: Browser, base: str, complete: str, scheme: str
) -> None:
    async with visiting(browser, base, color_scheme=scheme, **PHONE) as visitor:
        for path in ("/", f"/ui/processes/{complete}"):
            await visitor.open(path)
            assert not await visitor.is_wider_than_the_window()
            small = await visitor.page.evaluate(
                "[...document.querySelectorAll('main a, main button, main input, nav a')]"
                ".filter(one => one.type !== 'hidden' && one.getBoundingClientRect().height < 44)"
                ".map(one => one.outerHTML)"
            )
            assert small == []
        assert visitor.behaved()


async def test_the_pages_work_without_their_script(shared_stack: RunningStack, browser: Browser, base: str) -> None:
    number = fresh_number()
    await shared_stack.prepare(number, 3)
    async with visiting(browser, base, java_script_enabled=False) as visitor:
        async with unhurried(shared_stack, 1.0):
            await visitor.open()
            await visitor.page.get_by_label("Process number").fill(number)
            await visitor.page.get_by_role("button", name="Get the documents").click()
            await expect(visitor.page.get_by_text("Reload this page")).to_be_visible()
        await shared_stack.ended(number)
        await visitor.page.get_by_role("link", name="Reload this page").click()
        await expect(visitor.page.locator("#status")).to_have_text("Complete")
        await expect(visitor.page.get_by_role("link", name="Open")).to_have_count(3)
        await visitor.open()
        await expect(visitor.page.get_by_role("link", name=number)).to_be_visible()


@pytest.mark.parametrize(
    ("entered", "said"),
    [
        ("", "Enter a process number."),
        ("12 & <b>", "This is not a process number"),
        ("1011745-78.2025.8.11.0041", 'href="/ui/processes/1011745-77.2025.8.11.0041"'),
    ],
)
async def test_a_wrong_number_is_explained_where_it_was_entered(base: str, entered: str, said: str) -> None:
    async with httpx.AsyncClient(base_url=base, headers={"Origin": base}) as client:
        answer = await client.post("/ui/processes", data={"number": entered})
    assert answer.status_code == 422
    assert said in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text


async def test_a_form_from_elsewhere_does_nothing(shared_stack: RunningStack, base: str) -> None:
    number = fresh_number()
    for headers in ({"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"}, {}):
        async with httpx.AsyncClient(base_url=base) as client:
            answer = await client.post("/ui/processes", data={"number": number}, headers=headers)
        assert answer.status_code == 403
        assert "text/html" in answer.headers["content-type"]
    assert (await shared_stack.api.get(f"/processes/{number}")).status_code == 404


async def test_what_failed_is_explained_and_tried_again(
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
            "The court's system could not deliver this document. It can be tried again."
        )
        await expect(page.locator("tbody .answer").first).to_contain_text("Erro interno na API do Codex")
        await page.get_by_role("button", name="Try the 2 failed documents again").click()
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.get_by_role("link", name="Open")).to_have_count(6)
        assert visitor.behaved()
