"""The access trail: every way by which documents leave is in it, with who got them, how and what for."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from typing import Any
from zipfile import ZipFile

import pytest

from domain.accesses import MAX_PURPOSE_LENGTH
from tests.support.cli_commands import run_autos
from tests.support.conditions import eventually
from tests.support.deliveries import wait_for_only_delivery
from tests.support.numbers import fresh_number
from tests.support.receiver import Receiver
from tests.support.stack import RunningStack

Json = dict[str, Any]
PURPOSE = "diligência prévia, caso 2026-014"
HEADERS = {b"X-Autos-Purpose": PURPOSE.encode(), b"X-Request-Id": b"a-request"}


async def list_accesses(stack: RunningStack, number: str, **filters: str | int) -> list[Json]:
    """Return the accesses to a process's documents, oldest first."""
    answer = await stack.api.get("/accesses", params={"process": number, **filters})
    assert answer.status_code == 200, answer.text
    listed: list[Json] = answer.json()["accesses"]
    return list(reversed(listed))


async def list_ids(stack: RunningStack, number: str) -> list[str]:
    """Return the ids of a process's stored documents, read from the catalog so that no access is recorded."""
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        rows = catalog.execute(
            "SELECT id FROM documents WHERE process_number = ? AND status = 'available' ORDER BY position",
            (number,),
        )
        return [row[0] for row in rows]


@pytest.fixture
async def number(stack: RunningStack) -> str:
    """A process with three stored documents, whose trail has only the answer to the request."""
    number = await stack.create_ended_run(3)
    assert await list_accesses(stack, number) == []
    return number


async def test_every_answer_with_links_is_recorded(stack: RunningStack, number: str) -> None:
    ids = await list_ids(stack, number)
    paths = {
        f"/processes/{number}": ids,
        f"/processes/{number}?auto_download=true": ids,
        f"/processes/{number}/documents?limit=2": ids[:2],
        f"/processes/{number}/documents/{ids[2]}": ids[2:],
    }
    for path in paths:
        (await stack.api.get(path, headers=HEADERS)).raise_for_status()
    (await stack.api.post(f"/processes/{number}/downloads", headers=HEADERS)).raise_for_status()

    recorded = await list_accesses(stack, number)

    assert [access["document_ids"] for access in recorded] == [*paths.values(), ids]
    for access in recorded:
        del access["document_ids"], access["at"]
        assert access == {
            "client": "local",
            "key_id": None,
            "how": "link",
            "process_number": number,
            "request_id": "a-request",
            "event_id": None,
            "purpose": PURPOSE,
        }


async def test_answers_without_links_are_not_recorded(stack: RunningStack, number: str) -> None:
    for path in ("/status", "/documents?status=failed"):
        (await stack.api.get(f"/processes/{number}{path}")).raise_for_status()
    (await stack.api.get(f"/ui/processes/{number}")).raise_for_status()
    assert await list_accesses(stack, number) == []


@pytest.mark.parametrize(
    ("headers", "how"), [({}, "content"), ({"Sec-Fetch-Site": "same-origin"}, "page")], ids=["program", "page"]
)
async def test_a_redirect_to_a_link_is_recorded(
    stack: RunningStack, number: str, headers: dict[str, str], how: str
) -> None:
    [first, *_] = await list_ids(stack, number)
    for disposition in ("attachment", "inline"):
        answer = await stack.api.get(
            f"/processes/{number}/documents/{first}/content", params={"disposition": disposition}, headers=headers
        )
        assert answer.status_code == 307
    recorded = await list_accesses(stack, number)
    assert [(access["how"], access["document_ids"]) for access in recorded] == [(how, [first])] * 2


async def test_an_archive_is_recorded_as_a_whole(stack: RunningStack, number: str) -> None:
    address = f"/ui/processes/{number}/documents.zip"
    assert (await stack.api.head(address)).status_code == 200
    assert await list_accesses(stack, number) == []

    archive = ZipFile(io.BytesIO((await stack.api.get(address)).content))

    assert len(archive.namelist()) == 4
    [access] = await list_accesses(stack, number)
    assert (access["how"], access["document_ids"]) == ("archive", await list_ids(stack, number))


async def test_every_attempt_at_an_event_is_recorded(stack: RunningStack, receiver: Receiver) -> None:
    number = fresh_number()
    receiver.planned_failures[f"/{number}"] = [500]
    await stack.create_process(number, 2)
    await stack.api.get(
        f"/processes/{number}",
        params={"auto_download": "true", "webhook_url": f"{receiver.url}/{number}"},
        headers={"X-Request-Id": "the-download"},
    )
    await stack.wait_until_ended(number)

    async def delivered() -> Json | None:
        delivery = await wait_for_only_delivery(stack, number)
        return delivery if delivery["status"] == "delivered" else None

    delivery = await eventually(delivered, "the second attempt", seconds=30)
    (await stack.api.post(f"/webhooks/deliveries/{delivery['id']}/redeliver")).raise_for_status()

    async def redelivered() -> list[Json] | None:
        events = await list_accesses(stack, number, how="event")
        return events if len(events) == 3 else None

    ids = await list_ids(stack, number)
    events = await eventually(redelivered, "the redelivery")
    assert [access["request_id"] for access in events[:2]] == ["the-download"] * 2
    for access in events:
        assert (access["event_id"], access["document_ids"], access["client"]) == (delivery["id"], ids, "local")


async def test_without_the_trail_no_link_is_given(stack: RunningStack, number: str) -> None:
    [first, *_] = await list_ids(stack, number)
    paths = (f"/processes/{number}", f"/processes/{number}/documents/{first}/content")
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog:
        catalog.execute("ALTER TABLE accesses RENAME TO away")
        try:
            answers = [await stack.api.get(path) for path in paths]
            archive = await stack.api.get(f"/ui/processes/{number}/documents.zip")
        finally:
            catalog.execute("ALTER TABLE away RENAME TO accesses")
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert "location" not in answer.headers
        assert "X-Amz-Signature" not in answer.text
    assert archive.status_code == 503
    assert not archive.content.startswith(b"PK")


@pytest.mark.parametrize(
    "values",
    [
        [b"x" * (MAX_PURPOSE_LENGTH + 1)],
        [b"first purpose", b"second purpose"],
        [b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ],
    ids=["too long", "twice", "a secret"],
)
async def test_a_malformed_purpose_is_refused(stack: RunningStack, number: str, values: list[bytes]) -> None:
    headers = [(b"X-Autos-Purpose", value) for value in values]
    answer = await stack.api.get(f"/processes/{number}", headers=headers)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "invalid_request")
    assert body["errors"][0]["parameter"] == "X-Autos-Purpose"
    assert values[0].decode() not in answer.text
    assert await list_accesses(stack, number) == []


async def test_the_list_is_filtered_and_paged(stack: RunningStack, number: str) -> None:
    ids = await list_ids(stack, number)
    for document_id in (ids[0], ids[1], ids[0]):
        (await stack.api.get(f"/processes/{number}/documents/{document_id}")).raise_for_status()
    listed = await list_accesses(stack, number)
    assert [access["document_ids"] for access in listed] == [[ids[0]], [ids[1]], [ids[0]]]
    assert len(await list_accesses(stack, number, document_id=ids[0])) == 2
    assert len(await list_accesses(stack, number, how="link", client="local")) == 3
    assert await list_accesses(stack, number, client="desk") == []
    assert await list_accesses(stack, number, **{"from": listed[1]["at"], "to": listed[2]["at"]}) == listed[1:2]
    address: str | None = f"/accesses?process={number}&limit=2"
    paged: list[Json] = []
    while address:
        answer = await stack.api.get(address)
        paged += answer.json()["accesses"]
        address = answer.json()["accesses_next"]
        assert answer.headers.get("link") == (f'<{address}>; rel="next"' if address else None)
    assert paged == list(reversed(listed))


async def test_csv_has_a_line_for_each_document_and_no_formulas(stack: RunningStack, number: str) -> None:
    ids = await list_ids(stack, number)
    (
        await stack.api.get(f"/processes/{number}", headers={b"X-Autos-Purpose": '=1+1; "é"'.encode()})
    ).raise_for_status()
    by_parameter = await stack.api.get("/accesses", params={"process": number, "format": "csv"})
    by_header = await stack.api.get("/accesses", params={"process": number}, headers={"Accept": "text/csv"})
    assert by_parameter.content == by_header.content
    assert by_header.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(by_header.content.decode())))
    assert [row["document_id"] for row in rows] == ids
    assert {row["purpose"] for row in rows} == {'\'=1+1; "é"'}
    head = await stack.api.head("/accesses", params={"process": number, "format": "csv"})
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"document_id": "x"}, "document_id"),
        ({"process": "1"}, "number"),
        ({"from": "yesterday"}, "from"),
        ({"how": "stolen"}, "how"),
        ({"cursor": "cDEwMA"}, "cursor"),
        ({"cursor": "cDEwMA", "format": "csv"}, "cursor"),
    ],
)
async def test_an_invalid_query_is_refused(stack: RunningStack, query: dict[str, str], parameter: str) -> None:
    answer = await stack.api.get("/accesses", params=query)
    assert answer.status_code == 422
    assert [error["parameter"] for error in answer.json().get("errors", [])] in ([parameter], [])


async def test_the_command_prints_a_table_json_and_csv(stack: RunningStack, number: str) -> None:
    ids = await list_ids(stack, number)
    (await stack.api.get(f"/processes/{number}", headers={b"X-Autos-Purpose": b"-1+1"})).raise_for_status()
    (await stack.api.get(f"/processes/{number}/documents/{ids[0]}")).raise_for_status()
    table = await run_autos(stack, "accesses", "--process", number, "--limit", "1")
    lines = await run_autos(stack, "accesses", "--process", number, "--client", "local", "--json")
    as_csv = await run_autos(stack, "accesses", "--process", number, "--csv")
    of_one = await run_autos(stack, "accesses", "--process", number, "--document", ids[1], "--csv")
    nothing = await run_autos(stack, "accesses", "--client", "nobody")
    unplaced = await run_autos(stack, "accesses", "--document", ids[1])

    assert (table.exit_code, len(table.stdout.splitlines())) == (0, 2)
    assert "--limit 0" in table.stderr
    assert [line["purpose"] for line in lines.json_lines] == [None, "-1+1"]
    api_csv = await stack.api.get("/accesses", params={"process": number, "format": "csv"})
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    expected = list(csv.DictReader(io.StringIO(api_csv.text)))
    # Only the fractions of a second are written in another way.
    assert [{**row, "at": row["at"][:19]} for row in rows] == [{**row, "at": row["at"][:19]} for row in expected]
    assert [row["document_id"] for row in rows] == [ids[0], *ids]
    assert [row["document_id"] for row in csv.DictReader(io.StringIO(of_one.stdout))] == [ids[1]]
    one = {"process": number, "document_id": ids[1], "format": "csv"}
    api_csv = await stack.api.get("/accesses", params=one)
    assert [row["document_id"] for row in csv.DictReader(io.StringIO(api_csv.text))] == [ids[1]]
    assert (unplaced.exit_code, unplaced.stdout) == (2, "")
    assert "--process" in unplaced.stderr
    assert (nothing.exit_code, nothing.stdout) == (0, "")
