"""The access trail with keys: it names the client and its key, and only the scope `admin` reads it."""

from __future__ import annotations

import pytest

from tests.e2e.access.conftest import Clients, KeyedStack, KeyHolder
from tests.support.stack import RunningStack


async def list_accesses(chief: KeyHolder, number: str) -> list[tuple[str, str | None, str, int]]:
    """Return client, key, kind and number of documents of each access, oldest first."""
    answer = await chief.http.get("/accesses", params={"process": number})
    assert answer.status_code == 200, answer.text
    return [
        (access["client"], access["key_id"], access["how"], len(access["document_ids"]))
        for access in reversed(answer.json()["accesses"])
    ]


@pytest.fixture(scope="module")
async def number(keyed: KeyedStack) -> str:
    """A process with four stored documents, two of which are not public."""
    stack: RunningStack = keyed.stack
    return await stack.create_ended_run(4, secret_documents=2)


async def test_the_trail_names_the_key_and_what_it_may_read(clients: Clients, number: str) -> None:
    (await clients.reader.http.get(f"/processes/{number}")).raise_for_status()
    (await clients.archive.http.get(f"/processes/{number}/documents")).raise_for_status()
    documents = (await clients.reader.http.get(f"/processes/{number}/documents")).json()["documents"]
    opened = next(document["id"] for document in documents if document["download_url"])
    async with clients.reader.open_session() as browser:
        assert (await browser.get(f"/processes/{number}/documents/{opened}/content")).status_code == 307
        assert (await browser.get(f"/ui/processes/{number}/documents.zip")).status_code == 200
    reader = (clients.reader.name, clients.reader.key_id)
    assert await list_accesses(clients.chief, number) == [
        (*reader, "link", 2),
        (clients.archive.name, clients.archive.key_id, "link", 4),
        (*reader, "link", 2),
        (*reader, "page", 1),
        (*reader, "archive", 2),
    ]


async def test_only_administrators_read_the_trail(clients: Clients, number: str) -> None:
    for holder in (clients.desk, clients.archive, clients.reader):
        for path in ("/accesses", f"/accesses?process={number}&format=csv"):
            answer = await holder.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_refused_document_is_not_in_the_trail(clients: Clients, number: str) -> None:
    before = await list_accesses(clients.chief, number)
    documents = (await clients.reader.http.get(f"/processes/{number}/documents")).json()["documents"]
    withheld = next(document["id"] for document in documents if document["withheld"])
    answer = await clients.reader.http.get(f"/processes/{number}/documents/{withheld}/content")
    assert answer.status_code == 403
    (await clients.reader.http.get(f"/processes/{number}/documents/{withheld}")).raise_for_status()
    after = await list_accesses(clients.chief, number)
    assert after[len(before) :] == [(clients.reader.name, clients.reader.key_id, "link", 2)]
