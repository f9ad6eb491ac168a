"""One PDF of all documents: a button that requests it, the progress, and the link, with and without scripts."""

from __future__ import annotations

import re

import httpx2
from playwright.async_api import Browser, expect

from tests.support.browser import visiting
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_the_button_works_without_scripts(stack: RunningStack) -> None:
    number = await stack.create_ended_run(3)
    address = f"/ui/processes/{number}"
    origin = {"Origin": stack.addresses["api"]}
    async with httpx2.AsyncClient(base_url=stack.addresses["api"], headers=origin, timeout=60) as person:
        page = (await person.get(address)).text
        assert 'id="do-bundle"' in page
        found = re.search(r'name="form_token" value="([^"]*)"', page)
        assert found is not None
        token = {"form_token": found[1]}
        requested = await person.post(f"{address}/bundle", data=token)
        assert (requested.status_code, requested.headers["location"]) == (303, address)
        assert (await person.post(f"{address}/bundle", data={"form_token": "another"})).status_code == 403

        async def linked() -> str | None:
            text = (await person.get(address)).text
            return text if f'href="{address}/bundle.pdf"' in text else None

        page = await eventually(linked, "the link to the PDF", seconds=60)
        assert 'id="do-bundle"' not in page
        redirect = await person.get(f"{address}/bundle.pdf")
        assert redirect.status_code == 307
        file = await person.get(redirect.headers["location"])
        assert file.content.startswith(b"%PDF")
        # Nobody has asked for another process's.
        other = await stack.create_ended_run(1)
        assert (await person.get(f"/ui/processes/{other}/bundle.pdf")).status_code == 409
        assert (await person.get(f"/ui/processes/{fresh_number()}/bundle.pdf")).status_code == 404


async def test_the_page_links_the_pdf_as_soon_as_it_is_ready(stack: RunningStack, browser: Browser) -> None:
    number = await stack.create_ended_run(3)
    async with visiting(browser, stack.addresses["api"]) as visitor:
        await visitor.open(f"/ui/processes/{number}")
        await visitor.page.click("#do-bundle")
        await expect(visitor.page.locator("a#bundle")).to_be_visible(timeout=60_000)
        visitor.assert_no_complaints()
        async with visitor.page.expect_download() as download:
            await visitor.page.click("a#bundle")
        assert (await download.value).suggested_filename == f"{number}.pdf"
