"""Documents above public secrecy: who lacks the scope is told what is counted, and nothing of what they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.access.conftest import Clients, KeyedStack, KeyHolder
from tests.support.conditions import eventually
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, receiving

Json = dict[str, Any]

WITHHELD = ("name", "type", "sha256", "download_url", "download_url_expires_at")


@dataclass(frozen=True)
class Case:
    """A process, its documents as the operator sees them, and who was told of it.

    Attributes:
        secret: the ids that a client without the scope may know nothing of.
    """

    number: str
    documents: dict[str, Json]
    secret: frozenset[str]
    told: dict[str, Json]

    def telling(self) -> set[str]:
        """Texts that give something of the secret documents away."""
        shown = {document["name"] for id_, document in self.documents.items() if id_ not in self.secret}
        return {
            text
            for id_ in self.secret
            for key in ("name", "sha256")
            if (text := self.documents[id_][key]) and text not in shown
        }


async def stored(
    keyed: KeyedStack, clients: Clients, receivers: dict[str, Receiver], documents: int, **shape: int
) -> Case:
    """Have both clients ask for a process, and wait until both are told of the end of its run."""
    number = fresh_number()
    await keyed.stack.prepare(number, documents, **shape)
    if shape.get("secret_documents"):
        # The last of them is one that the court does not give.
        await keyed.stack.fault("sealed", number, documents=[3])
    for client in (clients.desk, clients.archive):
        order = {"webhook_url": f"{receivers[client.name].url}/{number}"}
        assert (await client.http.post(f"/processes/{number}/downloads", json=order)).status_code == 202

    async def told() -> bool:
        return all(receiver.at(f"/{number}") for receiver in receivers.values())

    await eventually(told, f"both are told of {number}", seconds=60)
    known = {document["id"]: document for document in await keyed.stack.documents(number)}
    secret = frozenset(
        id_
        for id_, document in known.items()
        if shape.get("secrecy") or document["secrecy"] not in ("public", "unknown")
    )
    events = {name: receiver.at(f"/{number}")[0].event["data"] for name, receiver in receivers.items()}
    return Case(number, known, secret, events)


@pytest.fixture(scope="module")
async def cases(keyed: KeyedStack, clients: Clients) -> AsyncIterator[tuple[Case, Case]]:
    """A process with two secret documents of five, one of them failed; and one that is secret itself."""
    with receiving(clients.desk.secret) as desk, receiving(clients.archive.secret) as archive:
        receivers = {"desk": desk, "archive": archive}
        some, whole = await asyncio.gather(
            stored(keyed, clients, receivers, 5, secret_documents=2),
            stored(keyed, clients, receivers, 2, secrecy=3),
        )
        assert (len(some.secret), len(whole.secret)) == (2, 2)
        assert len(some.telling()) >= 2
        yield some, whole


def assert_shown(case: Case, documents: list[Json], client: KeyHolder) -> None:
    """A list of the case's documents shows the client what it may see, and that is all of it or what is counted."""
    assert [document["id"] for document in documents] == list(case.documents)
    for document in documents:
        known = case.documents[document["id"]]
        withheld = document["id"] in case.secret and client.name == "desk"
        assert document["withheld"] is withheld
        for key in ("status", "size_bytes", "media_type", "pages", "secrecy", "filed_at"):
            assert document[key] == known[key]
        if withheld:
            assert [document[key] for key in WITHHELD] == [None] * len(WITHHELD)
            assert document["failure"] is None or document["failure"]["answer"] == ""
        else:
            for key in ("name", "type", "sha256"):
                assert document[key] == known[key]
            assert (document["download_url"] is None) is (document["status"] != "available")


async def test_a_process_and_its_pages_withhold_what_the_key_does_not_open(
    clients: Clients, cases: tuple[Case, Case]
) -> None:
    for case in cases:
        heads = []
        for client in (clients.desk, clients.archive):
            process = (await client.http.get(f"/processes/{case.number}")).json()
            assert_shown(case, process.pop("documents"), client)
            heads.append({**process, "links_expire_at": None})
            page = (await client.http.get(f"/processes/{case.number}/documents")).json()
            assert_shown(case, page["documents"], client)
            singly = [
                (await client.http.get(f"/processes/{case.number}/documents/{id_}")).json()
                for id_ in case.documents
            ]
            assert_shown(case, singly, client)
        # What is counted is the same for both.
        assert heads[0] == heads[1]
        assert heads[0]["total_documents"] == len(case.documents)


async def test_a_secret_documents_bytes_are_refused(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for id_, document in case.documents.items():
            address = f"/processes/{case.number}/documents/{id_}/content"
            desk, archive = [await client.http.get(address) for client in (clients.desk, clients.archive)]
            assert archive.status_code == (307 if document["status"] == "available" else 409)
            if id_ in case.secret:
                assert (desk.status_code, desk.json()["code"]) == (403, "sealed")
                assert "location" not in desk.headers
            else:
                assert desk.status_code == 307


async def test_a_secret_document_that_failed_is_listed_without_its_name(
    clients: Clients, cases: tuple[Case, Case]
) -> None:
    case = cases[0]
    named = {}
    for client in (clients.desk, clients.archive):
        listed = (await client.http.get("/failures")).json()["failures"]
        [named[client.name]] = [one for one in listed if one["process_number"] == case.number]
    failed = case.documents[named["archive"]["document"]["id"]]
    assert failed["id"] in case.secret
    assert (named["archive"]["document"]["name"], named["archive"]["document"]["type"]) == (
        failed["name"],
        failed["type"],
    )
    assert (named["desk"]["document"]["name"], named["desk"]["document"]["type"]) == (None, None)
    assert named["desk"]["failure"] == {**named["archive"]["failure"], "answer": ""}
    assert named["archive"]["failure"]["answer"] != ""


async def test_each_subscriber_is_sent_what_its_client_may_see(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for client in (clients.desk, clients.archive):
            assert_shown(case, case.told[client.name]["documents"], client)
        counts = [{**told, "documents": None} for told in case.told.values()]
        assert counts[0] == counts[1]


async def test_the_page_shows_each_what_its_key_opens(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for client in (clients.desk, clients.archive):
            async with client.signed_in() as browser:
                page = (await browser.get(f"/ui/processes/{case.number}")).text
            for id_, document in case.documents.items():
                opens = document["status"] == "available" and (client.name == "archive" or id_ not in case.secret)
                assert (f"{id_}/content" in page) is opens


def about(case: Case, client: KeyHolder) -> list[str]:
    """All that a client was answered at the process's addresses."""
    told = [one for one in client.told if case.number in one.partition(" ")[0]]
    assert len(told) > len(case.documents)
    return told


async def test_nothing_that_was_said_gives_a_secret_document_away(
    clients: Clients, cases: tuple[Case, Case]
) -> None:
    for case in cases:
        said = [*about(case, clients.desk), str(case.told["desk"])]
        assert [text for text in case.telling() if any(text in one for one in said)] == []
        assert any(text in one for text in case.telling() for one in about(case, clients.archive))
