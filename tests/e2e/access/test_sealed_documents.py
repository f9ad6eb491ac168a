"""Documents above public secrecy: a key without the scope `sealed` gets counts, and nothing about the documents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.access.conftest import Clients, KeyedStack, KeyHolder
from tests.support.frozen_services import frozen_service
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver, running_receiver

Json = dict[str, Any]

WITHHELD = (
    *("name", "type", "filed_at", "size_bytes", "media_type", "pages", "sha256"),
    *("download_url", "download_url_expires_at"),
)


@dataclass(frozen=True)
class Case:
    """A process with sealed documents.

    Attributes:
        documents: the documents as the operator sees them, by id.
        sealed: the ids of the documents that are withheld without the scope.
        events: the data of the event that each client received, by the client's name.
    """

    number: str
    documents: dict[str, Json]
    sealed: frozenset[str]
    events: dict[str, Json]

    def revealing_texts(self) -> set[str]:
        """Return the names and digests of sealed documents that no open document has."""
        shown = {document["name"] for id_, document in self.documents.items() if id_ not in self.sealed}
        return {
            text
            for id_ in self.sealed
            for key in ("name", "sha256")
            if (text := self.documents[id_][key]) and text not in shown
        }


async def request_case(
    keyed: KeyedStack, clients: Clients, receivers: dict[str, Receiver], documents: int, **shape: int
) -> str:
    """Create a process, and have both clients request it. Returns its number."""
    number = fresh_number()
    await keyed.stack.create_process(number, documents, **shape)
    if shape.get("secret_documents"):
        # The court refuses one of the sealed documents.
        await keyed.stack.inject_fault("sealed", number, documents=[3])
    for client in (clients.desk, clients.archive):
        subscription = {"webhook_url": f"{receivers[client.name].url}/{number}"}
        assert (await client.http.post(f"/processes/{number}/downloads", json=subscription)).status_code == 202
    return number


async def read_case(
    keyed: KeyedStack, receivers: dict[str, Receiver], number: str, *, is_sealed: bool = False
) -> Case:
    """Wait until both clients have the event of a process's run, and return the process."""
    for receiver in receivers.values():
        await receiver.wait_for_events(f"/{number}", seconds=60)
    known = {document["id"]: document for document in await keyed.stack.list_documents(number)}
    sealed = frozenset(
        id_ for id_, document in known.items() if is_sealed or document["secrecy"] not in ("public", "unknown")
    )
    events = {name: receiver.events_at(f"/{number}")[0].event["data"] for name, receiver in receivers.items()}
    return Case(number, known, sealed, events)


@pytest.fixture(scope="module")
async def cases(keyed: KeyedStack, clients: Clients) -> AsyncIterator[tuple[Case, Case]]:
    """A process with two sealed documents of five, one of which failed; and a process that is sealed itself."""
    with running_receiver(clients.desk.secret) as desk, running_receiver(clients.archive.secret) as archive:
        receivers = {"desk": desk, "archive": archive}
        # Both clients request one run: it does not end before the second has.
        with frozen_service(keyed.stack, "worker"):
            numbers = await asyncio.gather(
                request_case(keyed, clients, receivers, 5, secret_documents=2),
                request_case(keyed, clients, receivers, 2, secrecy=3),
            )
        partly_sealed, fully_sealed = await asyncio.gather(
            read_case(keyed, receivers, numbers[0]), read_case(keyed, receivers, numbers[1], is_sealed=True)
        )
        assert (len(partly_sealed.sealed), len(fully_sealed.sealed)) == (2, 2)
        assert len(partly_sealed.revealing_texts()) >= 2
        yield partly_sealed, fully_sealed


def assert_shown(case: Case, documents: list[Json], client: KeyHolder) -> None:
    """Assert that a list withholds the case's sealed documents, and only these, from desk."""
    assert [document["id"] for document in documents] == list(case.documents)
    for document in documents:
        known = case.documents[document["id"]]
        withheld = document["id"] in case.sealed and client.name == "desk"
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


async def test_a_process_and_its_pages_withhold_sealed_documents(
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
            each_alone = [
                (await client.http.get(f"/processes/{case.number}/documents/{id_}")).json()
                for id_ in case.documents
            ]
            assert_shown(case, each_alone, client)
        # Counts are the same for both.
        assert heads[0] == heads[1]
        assert heads[0]["total_documents"] == len(case.documents)


async def test_the_content_of_a_sealed_document_is_refused(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for id_, document in case.documents.items():
            address = f"/processes/{case.number}/documents/{id_}/content"
            desk, archive = [await client.http.get(address) for client in (clients.desk, clients.archive)]
            assert archive.status_code == (307 if document["status"] == "available" else 409)
            if id_ in case.sealed:
                assert (desk.status_code, desk.json()["code"]) == (403, "sealed")
                assert "location" not in desk.headers
            else:
                assert desk.status_code == 307


async def test_a_failed_sealed_document_is_listed_without_its_name(
    clients: Clients, cases: tuple[Case, Case]
) -> None:
    case = cases[0]
    named = {}
    for client in (clients.desk, clients.archive):
        listed = (await client.http.get("/failures")).json()["failures"]
        [named[client.name]] = [each for each in listed if each["process_number"] == case.number]
    failed = case.documents[named["archive"]["document"]["id"]]
    assert failed["id"] in case.sealed
    assert (named["archive"]["document"]["name"], named["archive"]["document"]["type"]) == (
        failed["name"],
        failed["type"],
    )
    assert (named["desk"]["document"]["name"], named["desk"]["document"]["type"]) == (None, None)
    assert named["desk"]["failure"] == {**named["archive"]["failure"], "answer": ""}
    assert named["archive"]["failure"]["answer"] != ""


async def test_events_withhold_sealed_documents_by_client(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for client in (clients.desk, clients.archive):
            assert_shown(case, case.events[client.name]["documents"], client)
        counts = [{**event, "documents": None} for event in case.events.values()]
        assert counts[0] == counts[1]


async def test_the_page_links_only_documents_that_the_key_opens(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        for client in (clients.desk, clients.archive):
            async with client.open_session() as browser:
                page = (await browser.get(f"/ui/processes/{case.number}")).text
            for id_, document in case.documents.items():
                has_link = document["status"] == "available" and (
                    client.name == "archive" or id_ not in case.sealed
                )
                assert (f"{id_}/content" in page) is has_link


async def test_documents_that_the_court_no_longer_lists_are_sealed_until_it_lists_them_again(
    keyed: KeyedStack, clients: Clients
) -> None:
    number, stack = fresh_number(), keyed.stack
    await stack.create_process(number, 3)
    with running_receiver(clients.desk.secret) as receiver:
        subscription = {"webhook_url": f"{receiver.url}/{number}"}
        assert (
            await clients.desk.http.post(f"/processes/{number}/downloads", json=subscription)
        ).status_code == 202
        await stack.wait_until_ended(number)

        [first] = await receiver.wait_for_events(f"/{number}")
        known = {document["id"]: document for document in first.event["data"]["documents"]}
        assert all(document["listed"] and document["download_url"] for document in known.values())

        async def list_again(outcome: str) -> None:
            await stack.request_download(number, max_age=0)
            assert (await stack.wait_until_ended(number))["run"]["outcome"] == outcome

        async def check_withheld(client: KeyHolder) -> set[str]:
            shown = (await client.http.get(f"/processes/{number}/documents")).json()["documents"]
            assert [document["id"] for document in shown] == list(known)
            for document in shown:
                address = f"/processes/{number}/documents/{document['id']}/content"
                answer = await client.http.get(address)
                assert answer.status_code == (403 if document["withheld"] else 307)
                assert document["name"] == (None if document["withheld"] else known[document["id"]]["name"])
            return {document["id"] for document in shown if document["withheld"]}

        fault = await stack.inject_fault("no_access", number)
        await list_again("failed")
        assert (await check_withheld(clients.desk), await check_withheld(clients.archive)) == (set(known), set())
        # A redelivered event is built again, so it withholds what is withheld now.
        redeliver = f"/webhooks/deliveries/{first.event_id}/redeliver"
        assert (await clients.desk.http.post(redeliver)).status_code in (200, 202)

        _, second = await receiver.wait_for_events(f"/{number}", 2)
        resent = second.event["data"]["documents"]
        assert [document["name"] for document in resent] == [None] * len(known)
        assert all(document["withheld"] and not document["listed"] for document in resent)
        assert {document["unlisted_at"] is None for document in resent} == {False}

        await stack.end_fault(fault)
        await stack.create_process(number, 2)
        await list_again("completed")
        [gone] = await check_withheld(clients.desk)
        [seen] = [document for document in await stack.list_documents(number) if document["id"] == gone]
        assert (seen["listed"], seen["status"], seen["name"]) == (False, "available", known[gone]["name"])

        await stack.create_process(number, 3)
        await list_again("completed")
        assert await check_withheld(clients.desk) == set()


def answers_about(case: Case, client: KeyHolder) -> list[str]:
    """Return every recorded answer to a client at the process's addresses."""
    answers = [answer for answer in client.answers if case.number in answer.partition(" ")[0]]
    assert len(answers) > len(case.documents)
    return answers


async def test_no_answer_reveals_a_sealed_document(clients: Clients, cases: tuple[Case, Case]) -> None:
    for case in cases:
        received = [*answers_about(case, clients.desk), str(case.events["desk"])]
        assert [text for text in case.revealing_texts() if any(text in each for each in received)] == []
        for_archive = answers_about(case, clients.archive)
        assert any(text in answer for text in case.revealing_texts() for answer in for_archive)
