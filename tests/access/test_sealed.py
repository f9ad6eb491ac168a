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

WITHHELD = (
    *("name", "type", "filed_at", "size_bytes", "media_type", "pages", "sha256"),
    *("download_url", "download_url_expires_at"),
)


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
        for key in ("status", "secrecy", "instance", "listed", "unlisted_at"):
            assert document[key] == known[key]
        if withheld:
            assert [document[key] for key in WITHHELD] == [None] * len(WITHHELD)
            assert document["sources"] == []
            assert document["failure"] is None or document["failure"]["answer"] == ""
        else:
            for key in ("name", "type", "sha256", "size_bytes", "media_type", "pages", "filed_at", "sources"):
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


async def test_what_the_court_no_longer_shows_is_for_the_scope_sealed_until_it_does(
    keyed: KeyedStack, clients: Clients
) -> None:
    number, stack = fresh_number(), keyed.stack
    await stack.prepare(number, 3)
    with receiving(clients.desk.secret) as receiver:
        order = {"webhook_url": f"{receiver.url}/{number}"}
        assert (await clients.desk.http.post(f"/processes/{number}/downloads", json=order)).status_code == 202
        await stack.ended(number)

        async def told() -> bool:
            return bool(receiver.at(f"/{number}"))

        await eventually(told, "the end of the run is told")
        [first] = receiver.at(f"/{number}")
        known = {document["id"]: document for document in first.event["data"]["documents"]}
        assert all(document["listed"] and document["download_url"] for document in known.values())

        async def look_again(ending: str) -> None:
            await stack.request(number, max_age=0)
            assert (await stack.ended(number))["run"]["outcome"] == ending

        async def withheld(client: KeyHolder) -> set[str]:
            shown = (await client.http.get(f"/processes/{number}/documents")).json()["documents"]
            assert [document["id"] for document in shown] == list(known)
            for document in shown:
                address = f"/processes/{number}/documents/{document['id']}/content"
                answer = await client.http.get(address)
                assert answer.status_code == (403 if document["withheld"] else 307)
                assert document["name"] == (None if document["withheld"] else known[document["id"]]["name"])
            return {document["id"] for document in shown if document["withheld"]}

        fault = await stack.fault("no_access", number)
        await look_again("failed")
        assert (await withheld(clients.desk), await withheld(clients.archive)) == (set(known), set())
        # The same event again is another body: what was told then is not told now.
        again = f"/webhooks/deliveries/{first.event_id}/redeliver"
        assert (await clients.desk.http.post(again)).status_code in (200, 202)

        async def told_again() -> bool:
            return len(receiver.at(f"/{number}")) == 2

        await eventually(told_again, "the event is sent again")
        resent = receiver.at(f"/{number}")[1].event["data"]["documents"]
        assert [document["name"] for document in resent] == [None] * len(known)
        assert all(document["withheld"] and not document["listed"] for document in resent)
        assert {document["unlisted_at"] is None for document in resent} == {False}

        await stack.end_fault(fault)
        await stack.prepare(number, 2)
        await look_again("completed")
        [gone] = await withheld(clients.desk)
        [seen] = [document for document in await stack.documents(number) if document["id"] == gone]
        assert (seen["listed"], seen["status"], seen["name"]) == (False, "available", known[gone]["name"])

        await stack.prepare(number, 3)
        await look_again("completed")
        assert await withheld(clients.desk) == set()


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
