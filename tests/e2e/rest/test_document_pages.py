"""Pages of documents, and the redirect to a document's content."""

from __future__ import annotations

import httpx2

from tests.support.stack import RunningStack


async def test_pages_have_every_document_once(stack: RunningStack) -> None:
    number = await stack.create_ended_run(130, size_bytes=1_500)

    first = (await stack.api.get(f"/processes/{number}")).json()
    assert len(first["documents"]) == 100
    second = (await stack.api.get(first["documents_next"])).json()
    assert len(second["documents"]) == 30
    assert second["documents_next"] is second["next_cursor"] is None
    all_ids = [document["id"] for document in first["documents"] + second["documents"]]

    ids_of_small_pages: list[str] = []
    address: str | None = f"/processes/{number}/documents?limit=17&status=available"
    while address:
        page = (await stack.api.get(address)).json()
        assert len(page["documents"]) <= 17
        ids_of_small_pages += [document["id"] for document in page["documents"]]
        address = page["documents_next"]
    assert ids_of_small_pages == all_ids
    assert len(set(all_ids)) == 130


async def test_the_content_of_a_document_redirects_to_a_new_link(stack: RunningStack) -> None:
    number = await stack.create_ended_run(1)
    document = (await stack.list_documents(number))[0]
    answer = await stack.api.get(f"/processes/{number}/documents/{document['id']}/content")
    assert answer.status_code == 307
    async with httpx2.AsyncClient(timeout=60) as reader:
        assert len((await reader.get(answer.headers["location"])).content) == document["size_bytes"]
