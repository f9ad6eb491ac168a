"""What answers look like."""

from __future__ import annotations

import httpx

from api.schemas import DocumentBody, DocumentsBody, ProcessBody, ReadyBody, StatusBody
from tests.support.numbers import fresh_number
from tests.support.stack import RunningStack


async def test_answers_are_as_the_schemas_say(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 3)
    ProcessBody.model_validate((await stack.request(number)).json())
    StatusBody.model_validate(await stack.ended(number))
    ProcessBody.model_validate((await stack.request(number)).json())
    page = (await stack.api.get(f"/processes/{number}/documents")).json()
    DocumentsBody.model_validate(page)
    one = (await stack.api.get(f"/processes/{number}/documents/{page['documents'][0]['id']}")).json()
    DocumentBody.model_validate(one)


async def test_pages_lose_nothing_and_repeat_nothing(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 130, size_bytes=1_500)
    await stack.request(number)
    await stack.ended(number)

    first = (await stack.api.get(f"/processes/{number}")).json()
    assert len(first["documents"]) == 100
    following = (await stack.api.get(first["documents_next"])).json()
    assert len(following["documents"]) == 30
    assert following["documents_next"] is following["next_cursor"] is None
    whole = [document["id"] for document in first["documents"] + following["documents"]]

    small: list[str] = []
    address: str | None = f"/processes/{number}/documents?limit=17&status=available"
    while address:
        page = (await stack.api.get(address)).json()
        assert len(page["documents"]) <= 17
        small += [document["id"] for document in page["documents"]]
        address = page["documents_next"]
    assert small == whole
    assert len(set(whole)) == 130


async def test_the_content_address_leads_to_a_fresh_link(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    await stack.request(number)
    await stack.ended(number)
    document = (await stack.documents(number))[0]
    answer = await stack.api.get(f"/processes/{number}/documents/{document['id']}/content")
    assert answer.status_code == 307
    async with httpx.AsyncClient() as reader:
        assert len((await reader.get(answer.headers["location"])).content) == document["size_bytes"]


async def test_the_service_says_that_it_is_alive_and_ready(stack: RunningStack) -> None:
    assert (await stack.api.get("/health/live")).json() == {"status": "ok"}
    ready = await stack.api.get("/health/ready")
    assert ready.status_code == 200
    assert ReadyBody.model_validate(ready.json()).parts == {
        "database": "ok",
        "storage": "ok",
        "temporal": "ok",
    }


async def test_answers_with_links_are_not_to_be_kept(stack: RunningStack) -> None:
    number = fresh_number()
    await stack.prepare(number, 1)
    assert (await stack.request(number)).headers["cache-control"] == "no-store"
    await stack.ended(number)
    assert (await stack.request(number)).headers["cache-control"] == "no-store"


async def test_the_interface_describes_itself(stack: RunningStack) -> None:
    described = (await stack.api.get("/openapi.json")).json()
    responses = described["paths"]["/processes/{number}"]["get"]["responses"]
    assert {"200", "202", "401", "403", "404", "422", "503"} <= responses.keys()
    assert (await stack.api.get("/docs")).status_code == 200
