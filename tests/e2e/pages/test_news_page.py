"""The timeline, what is new since the last visit, and the watch on a process's page, in a real browser."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import httpx2
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from adapters.security.encryption import Encryptor
from api.pages.session import COOKIE as SESSION_COOKIE
from api.pages.visits import COOKIE
from domain.brasilia import BRASILIA
from domain.clients import Scope
from settings import load_settings
from tests.e2e.pages.conftest import KeyedApi
from tests.support.browser import PHONE, visiting
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack


@pytest.fixture
def base(shared_stack: RunningStack) -> str:
    """The origin of the pages."""
    return str(shared_stack.addresses["api"])


async def order(stack: RunningStack, number: str, kind: str, **details: object) -> None:
    """Have something happen to a process at the simulated court."""
    answer = await stack.simulator.post(f"/_simulator/processes/{number}/orders", json={"kind": kind, **details})
    answer.raise_for_status()


async def update(stack: RunningStack, number: str) -> None:
    """Have the court asked for its list again, and wait for the end of the run."""
    await stack.request_download(number, max_age=0)
    await stack.wait_until_ended(number)


async def let_an_hour_pass(stack: RunningStack, context: BrowserContext) -> None:
    """Make every visit in the browser's cookie an hour older."""
    encryptor = Encryptor(load_settings(data_dir=stack.data_dir).secret_keys)
    cookie = next(each for each in await context.cookies() if each["name"] == COOKIE)
    content = json.loads(encryptor.decrypt(cookie["value"]))
    content["visits"] = [
        [number, known, known_at - 60, seen, seen_at - 60]
        for number, known, known_at, seen, seen_at in content["visits"]
    ]
    cookie["value"] = encryptor.encrypt(json.dumps(content))
    await context.add_cookies([cookie])  # type: ignore[list-item]  # A cookie that the browser itself returned.


async def sign_in(client: httpx2.AsyncClient, key: str) -> None:
    """Sign in with a key, after the session before it has ended."""
    if SESSION_COOKIE in client.cookies:
        client.cookies.delete(SESSION_COOKIE)
    assert (await client.post("/ui/sign-in", data={"key": key})).status_code == 303


async def read_timeline(stack: RunningStack, number: str) -> list[dict[str, Any]]:
    """Return the whole timeline from the API."""
    entries: list[dict[str, Any]] = []
    address: str | None = f"/processes/{number}/timeline?limit=200"
    while address:
        body = (await stack.api.get(address)).raise_for_status().json()
        entries += body["entries"]
        address = body["timeline_next"]
    return entries


async def read_entry_ids(page: Page) -> list[str]:
    """Return the ids of the timeline's entries on the page, in their order."""
    ids: list[str] = await page.locator("section.day li").evaluate_all("items => items.map(item => item.id)")
    return ids


async def test_what_is_new_is_shown_once_and_marked_in_the_list(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = await shared_stack.create_ended_run(3)
    other = await shared_stack.create_ended_run(1)
    path = f"/ui/processes/{number}"
    async with visiting(browser, base) as visitor:
        page, context = visitor.page, visitor.context
        news, mark = page.locator("#news"), page.locator("tr", has_text=number).locator(".new")
        # The first visit shows no flood: not what was there, and not what a former visit might have seen.
        await visitor.open(path)
        await visitor.open(f"/ui/processes/{other}")
        await expect(news).to_have_count(0)
        await order(shared_stack, number, "filing", documents=2)
        await order(shared_stack, number, "movement", text="Conclusos <b>para</b> decisão")
        await update(shared_stack, number)
        await let_an_hour_pass(shared_stack, context)

        await visitor.open()
        await expect(mark).to_have_text("New")
        await expect(page.locator(".new")).to_have_count(1)
        # Two tabs, and a reload, are one visit.
        second = await context.new_page()
        await visitor.open(path)
        await second.goto(base + path)
        await page.reload()
        for tab in (page, second):
            shown = tab.locator("#news")
            await expect(shown.get_by_text("New document")).to_have_count(2)
            await expect(shown.get_by_text("Conclusos <b>para</b> decisão")).to_have_count(1)
            await expect(shown.get_by_role("link", name="Save")).to_have_count(2)
        await visitor.open()
        await expect(mark).to_have_count(0)

        # What comes during the visit is added by the script, above what the visit began with.
        await visitor.open(path)
        await order(shared_stack, number, "secrecy", level=3, document=0)
        await page.get_by_role("button", name="Check for new documents").click()
        await expect(news.locator("li").first).to_contain_text("The court states another secrecy level.")
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(news.get_by_text("New document")).to_have_count(2)
        await visitor.open()
        await expect(mark).to_have_count(0)

        await let_an_hour_pass(shared_stack, context)
        await visitor.open(path)
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(news).to_have_count(0)
        # What appears above the search leaves alone what was typed there.
        await order(shared_stack, number, "filing")
        await shared_stack.set_latency(1.0)
        await page.get_by_role("button", name="Check for new documents").click()
        await page.get_by_label("Words in the name or type").fill("typed meanwhile")
        await page.get_by_role("heading", level=1).focus()
        await shared_stack.set_latency(0)
        await expect(news.get_by_text("New document")).to_have_count(1)
        await expect(page.locator("#status")).to_have_text("Complete")
        await expect(page.get_by_label("Words in the name or type")).to_have_value("typed meanwhile")
        visitor.assert_no_complaints()


async def test_the_timeline_is_read_to_its_end_without_scripts_on_a_phone(
    shared_stack: RunningStack, browser: Browser, base: str
) -> None:
    number = await shared_stack.create_ended_run(31, second_instance_documents=4)
    expected = await read_timeline(shared_stack, number)
    assert len(expected) > 50
    async with visiting(browser, base, java_script_enabled=False, color_scheme="dark", **PHONE) as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{number}")
        await page.get_by_role("link", name="Timeline").click()
        await page.wait_for_url("**view=timeline")  # And until all of it has come.
        await expect(page.get_by_role("link", name="Timeline")).to_have_attribute("aria-current", "page")
        ids, days = [], []
        while True:
            ids += await read_entry_ids(page)
            days += await page.locator("section.day h3").all_inner_texts()
            assert not await visitor.scrolls_sideways()
            if not await page.locator("#next-page").count():
                break
            following = f"{base}{await page.locator('#next-page').get_attribute('href')}"
            await page.get_by_role("link", name="Earlier").click()
            await page.wait_for_url(re.compile(re.escape(following)))
            await expect(page.get_by_role("link", name="Back to the latest")).to_be_visible()
        assert ids == [
            f"entry-{entry['movement']['key'] if entry['movement'] else entry['document']['id']}"
            for entry in expected
        ]
        moments = [datetime.fromisoformat(entry["at"]).astimezone(BRASILIA) for entry in expected]
        assert list(dict.fromkeys(days)) == list(dict.fromkeys(f"{each:%d %b %Y}" for each in moments))
        # A document opens as from the list of documents.
        link = await page.get_by_role("link", name="Save").first.get_attribute("href")
        assert link is not None
        assert (await visitor.context.request.get(base + link, max_redirects=0)).status == 307
        await page.get_by_role("link", name="Case").click()
        await expect(page.get_by_text("AUTORA SINTÉTICA").first).to_be_visible()
        assert not await visitor.scrolls_sideways()
        visitor.assert_no_complaints()


async def test_a_process_is_watched_from_its_page_without_scripts(
    shared_stack: RunningStack, browser: Browser, base: str, receiver: Receiver
) -> None:
    number = await shared_stack.create_ended_run(2)
    address = f"/processes/{number}/watch"
    async with visiting(browser, base, java_script_enabled=False) as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{number}")
        await page.get_by_text("You do not watch this process.").click()
        await expect(page.get_by_text("taking notice (ciência)")).to_be_visible()
        await page.get_by_label("How often").select_option("Every 12 hours")
        await page.get_by_label("Download new documents").uncheck()
        await page.get_by_role("button", name="Watch").click()
        await expect(page.locator("#watch summary")).to_contain_text("Watched")
        watch = (await shared_stack.api.get(address)).json()
        assert (watch["every_seconds"], watch["download"], watch["webhook_url"]) == (43_200, False, None)

        # The page changes what it shows, and keeps what a program has chosen.
        url = f"{receiver.url}/watched"
        wish = {"every_seconds": 5400, "webhook_url": url, "notify": "always", "download": False}
        (await shared_stack.api.put(address, json=wish)).raise_for_status()
        await visitor.open(f"/ui/processes/{number}")
        await page.locator("#watch summary").click()
        await expect(page.get_by_label("How often")).to_have_value("5400")
        await page.get_by_label("Download new documents").check()
        await page.get_by_role("button", name="Change the watch").click()
        watch = (await shared_stack.api.get(address)).json()
        assert {key: watch[key] for key in wish} == {**wish, "download": True}

        await page.locator("#watch summary").click()
        await page.get_by_role("button", name="Stop watching").click()
        await expect(page.locator("#watch summary")).to_contain_text("You do not watch this process.")
        assert (await shared_stack.api.get(address)).status_code == 404
        visitor.assert_no_complaints()


async def test_a_watch_needs_a_form_of_the_session_and_an_interval_that_is_allowed(
    keyed: KeyedApi, keyed_process: str
) -> None:
    address = f"/ui/processes/{keyed_process}"
    key, _ = await keyed.create_key("watcher", Scope.READ, Scope.DOWNLOAD)
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        await sign_in(client, key)
        page = (await client.get(address)).text
        token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        for headers, form, status in (
            ({"Origin": "https://elsewhere.example"}, {"form_token": token, "every_seconds": "86400"}, 403),
            ({}, {"every_seconds": "86400"}, 403),
            ({}, {"form_token": token, "every_seconds": "1"}, 422),
            ({}, {"form_token": token, "every_seconds": "soon"}, 422),
            ({}, {"form_token": token}, 422),
        ):
            answer = await client.post(f"{address}/watch", data=form, headers=headers)
            assert answer.status_code == status, form
            assert "text/html" in answer.headers["content-type"]
        assert await keyed.catalog.watches.get(keyed_process, "watcher") is None
        wish = {"form_token": token, "every_seconds": "86400", "download": "yes"}
        assert (await client.post(f"{address}/watch", data=wish)).status_code == 303
        # A watch is of one client: another one sees nothing of it, and may not remove it.
        reader, _ = await keyed.create_key("reader-of-watches", Scope.READ)
        await sign_in(client, reader)
        page = (await client.get(address)).text
        assert 'id="watch"' not in page
        token = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        assert (await client.post(f"{address}/unwatch", data={"form_token": token})).status_code == 403
        assert await keyed.catalog.watches.get(keyed_process, "watcher") is not None


async def test_somebody_else_with_the_same_browser_begins_anew(
    shared_stack: RunningStack, keyed: KeyedApi, keyed_process: str
) -> None:
    address = f"/ui/processes/{keyed_process}"
    keys = [(await keyed.create_key("office", Scope.READ))[0] for _ in range(2)]
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        cookies = []
        for key in keys:
            await sign_in(client, key)
            assert 'id="news"' not in (await client.get(address)).text
            cookies.append(client.cookies[COOKIE])
        encryptor = Encryptor(load_settings(data_dir=shared_stack.data_dir).secret_keys)
        first, second = (json.loads(encryptor.decrypt(cookie)) for cookie in cookies)
        assert first["of"] != second["of"]
        assert [visit[0] for visit in second["visits"]] == [keyed_process]
        # A problem, and a page that shows no news, leave the cookie as it is.
        for path in (f"{address}?view=timeline", f"{address}?view=timeline&cursor=x", f"{address}?view=case", "/"):
            assert COOKIE not in (await client.get(path)).headers.get("set-cookie", "")
        client.cookies.delete(COOKIE)
        assert COOKIE not in (await client.head(address)).headers.get("set-cookie", "")
        assert COOKIE in (await client.get(address)).headers["set-cookie"]
