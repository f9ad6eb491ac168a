"""Sign-in on an API that requires keys, and requests of foreign pages in the name of a signed-in person."""

from __future__ import annotations

import re
from html import unescape

import httpx2
from playwright.async_api import Browser, expect

from api.pages.session import COOKIE
from domain.clients import Scope
from tests.e2e.pages.conftest import OPERATORS_KEY, KeyedApi
from tests.support.browser import visiting
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_signing_in_with_a_key_and_signing_out(
    shared_stack: RunningStack, browser: Browser, keyed_process: str, keyed: KeyedApi
) -> None:
    path = f"/ui/processes/{keyed_process}"
    async with visiting(browser, keyed.base) as visitor:
        page, context = visitor.page, visitor.context
        await visitor.open(path)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        await expect(page.locator("#key")).to_be_focused()
        await page.keyboard.type(OPERATORS_KEY)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**{path}")
        await expect(page.locator("#status")).to_have_text("Complete")

        cookie = next(each for each in await context.cookies() if each["name"] == COOKIE)
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
        assert OPERATORS_KEY not in str(cookie)
        # The session also opens the API's routes to the page.
        document = await page.get_by_role("link", name="Open").first.get_attribute("href")
        assert document is not None
        assert (await context.request.get(keyed.base + document, max_redirects=0)).status == 307
        events = await context.request.get(f"{keyed.base}/processes/{keyed_process}/events")
        assert (events.status, "event: ended" in await events.text()) == (200, True)
        visitor.assert_no_complaints()

        await page.get_by_role("button", name="Sign out").click()
        await visitor.open(path)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_a_foreign_page_cannot_act_with_a_session(keyed_process: str, keyed: KeyedApi) -> None:
    async with httpx2.AsyncClient(base_url=keyed.base, timeout=60) as client:
        signed = await client.post("/ui/sign-in", data={"key": OPERATORS_KEY}, headers={"Origin": keyed.base})
        assert (signed.status_code, signed.headers["location"]) == (303, "/")
        act = f"/processes/{keyed_process}/pause"
        for headers in ({}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await client.post(act, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
        # Requests of our own page are accepted; here, there is no open run to pause.
        for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": keyed.base}):
            assert (await client.post(act, headers=headers)).json()["code"] == "no_open_run"
        # Forms of our own pages also need a token of the session.
        form = await client.post(f"/ui{act}", headers={"Origin": keyed.base})
        assert form.status_code == 403


async def test_a_revoked_key_ends_its_sessions_at_once_and_is_refused_like_a_wrong_one(
    keyed: KeyedApi,
) -> None:
    key, key_id = await keyed.create_key("firm", Scope.READ)
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        assert (await client.post("/ui/sign-in", data={"key": key})).status_code == 303
        assert (await client.get("/")).status_code == 200
        await keyed.catalog.clients.revoke_key(key_id)
        signed_out = await client.get("/")
        assert (signed_out.status_code, signed_out.headers["location"]) == (303, "/ui/sign-in?next=%2F")
        client.cookies.clear()
        revoked = await client.post("/ui/sign-in", data={"key": key})
        wrong = await client.post("/ui/sign-in", data={"key": "no key at all"})
        assert (revoked.status_code, wrong.status_code) == (401, 401)
        assert revoked.text == wrong.text
        assert "This key is not valid." in wrong.text
        assert "set-cookie" not in wrong.headers


async def test_a_read_only_key_sees_no_buttons_and_no_sealed_documents(
    shared_stack: RunningStack, keyed_process: str, keyed: KeyedApi
) -> None:
    path = f"/ui/processes/{keyed_process}"
    key, _ = await keyed.create_key("reader", Scope.READ)
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        await client.post("/ui/sign-in", data={"key": key})
        page = (await client.get(path)).text
        assert "/content" in page
        assert page.count("Not public, or no longer shown by the court. Your key has no access to it.") == 2
        assert page.count('/content"') == 2
        assert "Check for new documents" not in page
        assert (await client.post(f"{path}/update")).status_code == 403
        client.cookies.clear()
        await client.post("/ui/sign-in", data={"key": OPERATORS_KEY})
        page = (await client.get(path)).text
        assert page.count('/content"') == 4
        assert "Check for new documents" in page


async def test_signing_in_redirects_only_to_our_own_pages(keyed: KeyedApi) -> None:
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        for wanted in (
            "//elsewhere.example",
            "https://elsewhere.example",
            "/\\elsewhere.example",
            "/docs?x=1",
            "/?q=\\elsewhere",
            "/ui/processes//elsewhere.example",
        ):
            answer = await client.post("/ui/sign-in", data={"key": OPERATORS_KEY, "next": wanted})
            assert answer.headers["location"] == "/"
            client.cookies.clear()
        number = fresh_number()
        answer = await client.post("/ui/sign-in", data={"key": OPERATORS_KEY, "next": f"/ui/processes/{number}"})
        assert answer.headers["location"] == f"/ui/processes/{number}"


async def test_signing_in_comes_back_to_the_search_or_to_the_page_of_what_was_wanted(keyed: KeyedApi) -> None:
    page = f"/ui/processes/{fresh_number()}"
    search = f"{page}?q=peti%C3%A7%C3%A3o&order=newest"
    for wanted, target in (
        (search, search),
        (f"{page}/documents.zip", page),
        (f"{page}/documents/one/content?disposition=inline", page),
    ):
        async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
            asked = await client.get(wanted)
            assert asked.status_code == 303
            form = await client.get(asked.headers["location"])
            following = re.search(r'name="next" value="([^"]*)"', form.text)
            assert following is not None
            signed = await client.post("/ui/sign-in", data={"key": OPERATORS_KEY, "next": unescape(following[1])})
            assert signed.headers["location"] == target
    # A button pressed after the session has ended.
    async with httpx2.AsyncClient(base_url=keyed.base, headers={"Origin": keyed.base}, timeout=60) as client:
        pressed = await client.post(f"{page}/retry")
        form = await client.get(pressed.headers["location"])
        assert f'name="next" value="{page}"' in form.text
        assert "what you requested was not done" in form.text


async def test_what_keeps_a_document_from_being_opened_is_a_page(keyed: KeyedApi, keyed_process: str) -> None:
    key, _ = await keyed.create_key("reader.documents", Scope.READ)
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "pt-BR"}
    async with httpx2.AsyncClient(base_url=keyed.base, headers=headers, timeout=60) as client:
        for path in (f"/ui/processes/{keyed_process}/documents/none/content", "/ui/processes/123"):
            answer = await client.get(path)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert "Não deu certo" in answer.text
            assert '<p lang="en">' not in answer.text
