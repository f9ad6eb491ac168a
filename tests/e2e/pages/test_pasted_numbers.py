"""Several process numbers in pasted text: they are listed first, then started together."""

from __future__ import annotations

import httpx2
from playwright.async_api import Browser, expect

from domain.clients import Scope
from tests.e2e.pages.conftest import KeyedApi
from tests.support.browser import visiting
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack

WRONG, RIGHT = "1011745-78.2025.8.11.0041", "1011745-77.2025.8.11.0041"


async def test_several_numbers_are_listed_and_started_by_one_button(
    shared_stack: RunningStack, browser: Browser
) -> None:
    numbers = [fresh_number() for _ in range(3)]
    for number in numbers:
        await shared_stack.create_process(number, 1)
    async with visiting(browser, shared_stack.addresses["api"]) as visitor:
        page = visitor.page
        await visitor.open()
        await page.get_by_label("Process number").fill(
            f"processos {numbers[0]} e {numbers[1]},\n{numbers[2].replace('.', '')} e também {WRONG}"
        )
        await page.get_by_role("button", name="Download documents").click()
        await expect(page.get_by_text("Numbers found: 3.")).to_be_visible()
        for number in numbers:
            await expect(page.get_by_role("link", name=number)).to_be_visible()
            assert (await shared_stack.api.get(f"/processes/{number}")).status_code == 404
        await expect(page.get_by_text(f"{WRONG} →")).to_be_visible()
        await expect(page.get_by_role("link", name=RIGHT)).to_have_attribute("href", f"/ui/processes/{RIGHT}")
        await page.get_by_role("button", name="Download all 3").click()
        await expect(page.get_by_text("The downloads have been requested.")).to_be_visible()
        visitor.assert_no_complaints()

    async def all_stored() -> bool:
        answers = [await shared_stack.api.get(f"/processes/{number}/status") for number in numbers]
        # A process is unknown until the batch has come to it.
        return all(answer.json().get("available_documents") == 1 for answer in answers)

    await eventually(all_stored, "the documents of all numbers")


async def test_one_number_in_a_text_is_opened_at_once(shared_stack: RunningStack, browser: Browser) -> None:
    number = fresh_number()
    await shared_stack.create_process(number, 1)
    async with visiting(browser, shared_stack.addresses["api"]) as visitor:
        await visitor.open()
        await visitor.page.get_by_label("Process number").fill(f"Re: 3 autos nº {number}, fls. 12")
        await visitor.page.keyboard.press("Enter")
        await visitor.page.wait_for_url(f"**/ui/processes/{number}")


async def test_more_numbers_than_a_hundred_are_cut_and_said_so(shared_stack: RunningStack) -> None:
    base = shared_stack.addresses["api"]
    async with httpx2.AsyncClient(base_url=base, headers={"Origin": base}, timeout=60) as client:
        answer = await client.post("/ui/processes", data={"number": " ".join(fresh_number() for _ in range(130))})
    assert answer.status_code == 200
    assert "Numbers found: 130. Only the first 100 are shown." in answer.text
    assert answer.text.count('class="number"') == 100
    assert "Download all 100" in answer.text


async def test_only_wrong_numbers_are_explained_beside_the_field(shared_stack: RunningStack) -> None:
    base = shared_stack.addresses["api"]
    async with httpx2.AsyncClient(base_url=base, headers={"Origin": base}, timeout=60) as client:
        answer = await client.post("/ui/processes", data={"number": f"{WRONG} <b>"})
    assert answer.status_code == 422
    assert f'href="/ui/processes/{RIGHT}"' in answer.text
    assert "<b>" not in answer.text


async def test_a_key_that_only_reads_starts_nothing(keyed: KeyedApi) -> None:
    key, _ = await keyed.create_key("numbers.reader", Scope.READ)
    numbers = f"{fresh_number()} {fresh_number()}"
    headers = {"Origin": keyed.base, "Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(base_url=keyed.base, headers=headers, timeout=60) as client:
        listed = await client.post("/ui/processes", data={"number": numbers})
        assert (listed.status_code, "Download all" in listed.text) == (200, False)
        refused = await client.post("/ui/batches", data={"numbers": numbers})
        assert refused.status_code == 403


async def test_starting_many_costs_what_a_batch_costs(keyed: KeyedApi) -> None:
    created = await keyed.catalog.clients.add_key("numbers.limited", frozenset({Scope.READ, Scope.DOWNLOAD}), 20)
    headers = {"Origin": keyed.base, "Authorization": f"Bearer {created.text}"}
    numbers = " ".join(fresh_number() for _ in range(30))
    async with httpx2.AsyncClient(base_url=keyed.base, headers=headers, timeout=60) as client:
        # A batch of 30 costs 13 of the 20.
        answers = [await client.post("/ui/batches", data={"numbers": numbers}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 429]
    assert answers[0].headers["x-ratelimit-remaining"] == "7"
