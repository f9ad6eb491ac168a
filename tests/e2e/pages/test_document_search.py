"""The search on a process's page: in the browser, without its script, and without telling what is withheld."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser, expect

from domain.clients import Scope
from domain.text import fold
from tests.e2e.pages.conftest import KeyedApi
from tests.support.browser import PHONE, visiting
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

ROW = re.compile(r'<td role="cell" class="place">(\d+)</td>')


@pytest.fixture(scope="module")
async def number(shared_stack: RunningStack) -> str:
    """A process of two instances with more documents than a page has."""
    number = fresh_number()
    await shared_stack.create_process(number, 110, second_instance_documents=20, size_bytes=3000)
    await shared_stack.request_download(number)
    await shared_stack.wait_until_ended(number)
    return number


@pytest.fixture
async def client(shared_stack: RunningStack) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the pages, in English."""
    async with httpx2.AsyncClient(base_url=shared_stack.addresses["api"], timeout=60) as client:
        yield client


async def read_places(client: httpx2.AsyncClient, number: str, **query: str) -> list[int]:
    """Return the numbers of all documents that a search lists, from all of its pages."""
    answer = await client.get(f"/ui/processes/{number}", params=query)
    places: list[int] = []
    while True:
        assert answer.status_code == 200, answer.text
        places += map(int, ROW.findall(answer.text))
        following = re.search(r'id="next-page" href="([^"]+)"', answer.text)
        if following is None:
            return places
        answer = await client.get(following[1].replace("&amp;", "&"))


@pytest.mark.parametrize("script", [True, False])
async def test_a_person_searches_filters_sorts_and_clears(
    shared_stack: RunningStack, browser: Browser, number: str, script: bool
) -> None:
    known = await shared_stack.list_documents(number)
    # The simulated court makes other documents for each number. This word is that of one in the second instance.
    word = next(fold(each["type"]) for each in known if each["instance"]["name"] == "2° Grau").split()[0].upper()
    texts = [fold(f"{each['name']} {each['type']}") for each in known]
    wanted = [place for place, text in enumerate(texts, 1) if word.lower() in text]
    async with visiting(browser, shared_stack.addresses["api"], java_script_enabled=script, **PHONE) as visitor:
        page = visitor.page
        await visitor.open(f"/ui/processes/{number}")
        await page.get_by_label("Words in the name or type").fill(word)
        await page.get_by_label("Words in the name or type").press("Enter")
        await expect(page.locator("#matches")).to_have_text(f"{len(wanted)} of 130 documents match.")
        places = page.locator("tbody td.place")
        # The rows follow the count in the page: they may still be on their way.
        await expect(places).to_have_text([f"{place:03}" for place in wanted])
        await page.get_by_text("Type, instance, status and date").click()
        second = page.get_by_label("Instance").locator("option", has_text="2° Grau")
        await page.get_by_label("Instance").select_option(await second.get_attribute("value"))
        await page.get_by_label("Sort by").select_option("newest")
        await page.get_by_role("button", name="Search").click()
        await page.wait_for_url("**instance=**")
        in_second = [place for place in wanted if known[place - 1]["instance"]["name"] == "2° Grau"]
        assert in_second
        by_date = sorted(in_second, key=lambda place: known[place - 1]["filed_at"], reverse=True)
        assert [int(text) for text in await places.all_inner_texts()] == by_date
        # What was chosen stays chosen, and the address says it all.
        await expect(page.get_by_label("Words in the name or type")).to_have_value(word)
        await expect(page.get_by_label("Sort by")).to_have_value("newest")
        assert not await visitor.scrolls_sideways()
        await page.get_by_role("link", name="Clear the search").click()
        await expect(places).to_have_count(100)
        await expect(page.locator("#matches")).to_have_count(0)


@pytest.mark.parametrize("order", ["", "oldest", "newest", "name", "largest"])
async def test_the_pages_of_a_search_have_every_document_once(
    client: httpx2.AsyncClient, number: str, order: str
) -> None:
    places = await read_places(client, number, order=order)
    assert sorted(places) == list(range(1, 131))
    assert (places == sorted(places)) is (order in ("", "oldest", "largest"))


async def test_days_are_those_of_brasilia(
    shared_stack: RunningStack, client: httpx2.AsyncClient, number: str
) -> None:
    page = (await client.get(f"/ui/processes/{number}", headers={"Accept-Language": "pt"})).text
    shown = dict(re.findall(r'class="place">(\d+)</td>.*?class="filed"[^>]*>([\d/]+)<', page, re.DOTALL))
    day = shown["050"]
    of_that_day = [int(place) for place, date in shown.items() if date == day]
    iso = "-".join(reversed(day.split("/")))
    assert await read_places(client, number, filed_from=iso, filed_to=iso) == of_that_day


async def test_a_cursor_belongs_to_its_search(client: httpx2.AsyncClient, number: str) -> None:
    address = f"/ui/processes/{number}"
    page = (await client.get(address, params={"order": "name"})).text
    found = re.search(r'id="next-page" href="[^"]*cursor=([^"&]+)"', page)
    assert found is not None
    for query in ({"order": "oldest"}, {"order": "name", "q": "a"}, {}):
        answer = await client.get(address, params={**query, "cursor": found[1]})
        assert answer.status_code == 422
        assert "This page of the list no longer exists." in answer.text


@pytest.mark.parametrize(
    "query",
    [{"state": "lost"}, {"order": "random"}, {"filed_from": "yesterday"}, {"q": "x" * 501}, {"type": "a\0"}],
)
async def test_a_search_that_is_not_understood_is_refused(
    client: httpx2.AsyncClient, number: str, query: dict[str, str]
) -> None:
    answer = await client.get(f"/ui/processes/{number}", params=query)
    assert (answer.status_code, "does not understand" in answer.text) == (422, True)


async def test_empty_fields_of_the_form_are_no_filters(client: httpx2.AsyncClient, number: str) -> None:
    fields = dict.fromkeys(("q", "type", "instance", "state", "filed_from", "filed_to", "order"), "")
    answer = await client.get(f"/ui/processes/{number}", params=fields)
    assert answer.status_code == 200
    assert 'id="matches"' not in answer.text


async def test_restricted_documents_are_named_so_and_not_found_by_what_they_are(
    shared_stack: RunningStack, keyed: KeyedApi, keyed_process: str
) -> None:
    documents = await shared_stack.list_documents(keyed_process)
    hidden = [each for each in documents if each["secrecy"] not in ("public", "unknown")]
    open_types = {each["type"] for each in documents if each not in hidden}
    assert len(hidden) == 2
    key, _ = await keyed.create_key("searcher", Scope.READ)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=keyed.base, headers=headers, timeout=60) as client:
        page = (await client.get(f"/ui/processes/{keyed_process}")).text
        assert "4 of 4 documents stored" in page
        assert "2 of them are restricted" in page
        assert page.count('<span class="state is-restricted"><span>Restricted</span></span>') == 2
        assert "Download the 2 available documents" in page
        assert len(await read_places(client, keyed_process, state="restricted")) == 2
        assert len(await read_places(client, keyed_process, state="available")) == 2
        for each in hidden:
            assert each["name"] not in page
            if each["type"] not in open_types:
                assert f'value="{each["type"]}"' not in page
            for query in ({"q": each["name"]}, {"type": each["type"]}, {"filed_from": each["filed_at"][:10]}):
                found = await client.get(f"/ui/processes/{keyed_process}", params=query)
                assert each["id"] not in found.text
                assert "Restricted documents are not searched by name, type or date." in found.text
