"""Everything of a process as one ZIP: what is inside, what is named as missing, and what if one is broken."""

from __future__ import annotations

import hashlib
import io
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from zipfile import ZipFile

import httpx2
import pytest
from playwright.async_api import Browser

from api.services.archives import MAX_ARCHIVES_PER_CLIENT
from autos_client import AsyncAutos
from domain.clients import Scope
from domain.errors import FailureCode
from tests.e2e.pages.conftest import KeyedApi
from tests.support.api_service import running_api_beside
from tests.support.browser import visiting
from tests.support.conditions import eventually
from tests.support.failed_documents import mark_documents_failed
from tests.support.stack import RunningStack

NOTE = "000 - contents.txt"
LARGE_DOCUMENT_BYTES = 60 * 1024**2


def address_of(number: str) -> str:
    """Return the address of a process's archive."""
    return f"/ui/processes/{number}/documents.zip"


async def get_archive(client: httpx2.AsyncClient, number: str, language: str = "en") -> ZipFile:
    """Download an archive, and return it after all of its checksums were found right."""
    answer = await client.get(address_of(number), headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{number}.zip"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.content)
    archive = ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive


@pytest.fixture
async def client(stack: RunningStack) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the stack without keys."""
    async with httpx2.AsyncClient(base_url=stack.addresses["api"], timeout=60) as client:
        yield client


def list_files(folder: Path) -> set[str]:
    """Return the names of the files in a folder."""
    return {path.name for path in folder.iterdir()}


def damage_document(stack: RunningStack, number: str, position: int) -> None:
    """Make the catalog expect another content of a document than the store has."""
    with closing(sqlite3.connect(stack.data_dir / "autos.db")) as catalog, catalog:
        changed = catalog.execute(
            "UPDATE documents SET sha256 = ? WHERE process_number = ? AND position = ?",
            ("ab" * 32, number, position),
        )
        assert changed.rowcount == 1


async def test_the_archive_has_every_document_under_the_name_that_autos_get_gives(
    stack: RunningStack, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    number = await stack.create_ended_run(12)
    archive = await get_archive(client, number)
    known = await stack.list_documents(number)
    digests = [hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name != NOTE]
    assert digests == [document["sha256"] for document in known]
    async with AsyncAutos(stack.addresses["api"]) as autos:
        await autos.download(number, to=tmp_path)
    assert list_files(tmp_path) - {"autos.json"} == set(archive.namelist()) - {NOTE}
    note = archive.read(NOTE).decode()
    assert "12 of the 12 documents of the process are in this archive." in note
    assert note.endswith("\r\nNothing is missing.\r\n")


async def test_the_note_names_what_is_missing_in_the_pages_language(
    stack: RunningStack, client: httpx2.AsyncClient
) -> None:
    number = await stack.create_ended_run(5)
    mark_documents_failed(stack, number, [2], FailureCode.TRUNCATED)
    mark_documents_failed(stack, number, [4], FailureCode.NO_CONTENT)
    documents = await stack.list_documents(number)
    archive = await get_archive(client, number, "pt-BR")
    names = archive.namelist()
    assert [name[:3] for name in names] == ["001", "003", "005", "000"]
    assert names[-1] == "000 - conteúdo.txt"
    note = archive.read(names[-1]).decode()
    assert "3 dos 5 documentos" in note
    assert f"002 - {documents[1]['name']}: O tribunal enviou só uma parte do documento." in note
    assert f"004 - {documents[3]['name']}: O tribunal lista este documento, mas não tem" in note


async def test_withheld_documents_are_counted_and_nothing_else(keyed: KeyedApi, keyed_process: str) -> None:
    key, _ = await keyed.create_key("desk.archives", Scope.READ)
    sealed_key, _ = await keyed.create_key("archive.archives", Scope.READ, Scope.SEALED)
    async with httpx2.AsyncClient(base_url=keyed.base, timeout=60) as client:
        refused = await client.get(address_of(keyed_process))
        assert (refused.status_code, refused.headers["location"]) == (
            303,
            f"/ui/sign-in?next=%2Fui%2Fprocesses%2F{keyed_process}%2Fdocuments.zip",
        )
        client.headers["Authorization"] = f"Bearer {key}"
        shown = await get_archive(client, keyed_process)
        client.headers["Authorization"] = f"Bearer {sealed_key}"
        everything = await get_archive(client, keyed_process)
    assert len(everything.namelist()) == 5
    assert len(shown.namelist()) == 3
    assert set(shown.namelist()) < set(everything.namelist())
    note = shown.read(NOTE).decode()
    assert note.endswith("2 documents are restricted, and your key has no access to them.\r\n")
    for name in set(everything.namelist()) - set(shown.namelist()):
        assert name[6:] not in note


async def test_an_archive_without_documents_is_a_page_that_says_so(
    stack: RunningStack, client: httpx2.AsyncClient
) -> None:
    number = await stack.create_ended_run(0)
    for method in ("GET", "HEAD"):
        answer = await client.request(method, address_of(number))
        assert (answer.status_code, answer.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert "No document is stored that your key may open." in (await client.get(address_of(number))).text


async def test_the_size_is_known_in_advance(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    number = await stack.create_ended_run(3)
    head, answer = await client.head(address_of(number)), await client.get(address_of(number))
    assert head.headers["content-length"] == answer.headers["content-length"] == str(len(answer.content))
    assert head.content == b""


async def test_a_changed_object_breaks_the_download_off(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    number = await stack.create_ended_run(4)
    damage_document(stack, number, 3)
    received, broken_off = b"", ""
    async with client.stream("GET", address_of(number)) as answer:
        assert answer.status_code == 200
        try:
            async for chunk in answer.aiter_raw():
                received += chunk
        except httpx2.RemoteProtocolError as error:
            broken_off = str(error)
    assert "without sending complete message body" in broken_off
    # Two documents have arrived, and neither a byte of the third nor what makes the file an archive.
    assert received.count(b"PK\x03\x04") >= 2
    assert b"PK\x05\x06" not in received


async def test_a_changed_first_object_is_a_page_that_says_so(
    stack: RunningStack, client: httpx2.AsyncClient
) -> None:
    number = await stack.create_ended_run(2)
    damage_document(stack, number, 1)
    answer = await client.get(address_of(number))
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")


async def test_an_archive_is_streamed_in_bounded_memory_and_its_place_is_freed(stack: RunningStack) -> None:
    number = await stack.create_ended_run(3, size_bytes=LARGE_DOCUMENT_BYTES)
    async with (
        running_api_beside(stack) as api,
        httpx2.AsyncClient(base_url=api.url, timeout=60) as client,
    ):
        assert (await client.get(f"/ui/processes/{number}")).status_code == 200
        before, highest, size = api.memory_bytes(), 0, 0
        async with client.stream("GET", address_of(number)) as answer:
            async for chunk in answer.aiter_raw():
                size += len(chunk)
                highest = max(highest, api.memory_bytes())
        assert size == int(answer.headers["content-length"]) > 3 * LARGE_DOCUMENT_BYTES
        assert highest - before < 32 * 1024**2

        # Clients that leave in the middle do not keep their places. The API notices each a moment later.
        async def leaves_in_the_middle() -> bool:
            async with client.stream("GET", address_of(number)) as answer:
                if answer.status_code == 429:
                    return False
                assert answer.status_code == 200
                await anext(answer.aiter_raw())
            return True

        for _ in range(MAX_ARCHIVES_PER_CLIENT + 1):
            await eventually(leaves_in_the_middle, "the place of a client that has left")


async def test_a_client_reads_two_archives_at_a_time(stack: RunningStack, client: httpx2.AsyncClient) -> None:
    number = await stack.create_ended_run(1, size_bytes=LARGE_DOCUMENT_BYTES)
    async with (
        client.stream("GET", address_of(number)) as first,
        client.stream("GET", address_of(number)) as second,
    ):
        assert (first.status_code, second.status_code) == (200, 200)
        third = await client.get(address_of(number))
        assert (third.status_code, third.headers["retry-after"]) == (429, "30")
        assert "Too many requests" in third.text

    async def has_a_place() -> bool:
        return (await client.get(address_of(number))).status_code == 200

    # The API notices a moment later that they have left. The next test needs a place too.
    await eventually(has_a_place, "a place again")


async def test_the_button_saves_the_archive(stack: RunningStack, browser: Browser, tmp_path: Path) -> None:
    number = await stack.create_ended_run(3)
    async with visiting(browser, stack.addresses["api"]) as visitor:
        await visitor.open(f"/ui/processes/{number}")
        link = visitor.page.get_by_role("link", name=re.compile(r"Download all 3 documents \(ZIP, .*B\)"))
        async with visitor.page.expect_download() as started:
            await link.click()
        saved = await started.value
        assert saved.suggested_filename == f"{number}.zip"
        await saved.save_as(tmp_path / "a.zip")
        assert len(ZipFile(tmp_path / "a.zip").namelist()) == 4
        # A broken archive is a failed download for the browser too.
        damage_document(stack, number, 2)
        async with visitor.page.expect_download() as started:
            await link.click()
        assert await (await started.value).failure() is not None
