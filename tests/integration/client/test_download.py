"""From documents to files: whole, verified, under harmless names, or named in the report."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autos_client import Document, DownloadFailed, Progress
from autos_client.files import digits_for, file_name
from tests.integration.client.scripted import (
    NUMBER,
    Script,
    byte_stream,
    document_body,
    failure_body,
    json_answer,
    page_body,
    problem_answer,
    status_body,
    status_head,
)

CONTENTS = {f"d{number}": bytes([number]) * 3_000_000 for number in range(1, 4)}


@pytest.fixture
def ended(script: Script) -> Script:
    """An API that has three documents."""
    documents = [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)]
    _lists(script, documents)
    for name, content in CONTENTS.items():
        script.on(f"GET /{name}", byte_stream(content[:1_000_000], content[1_000_000:]))
        script.on(f"GET /processes/{NUMBER}/documents/{name}", json_answer(documents[int(name[1]) - 1]))
    return script


def _lists(script: Script, documents: list[dict[str, Any]], **more: Any) -> None:
    available = sum(each["status"] == "available" for each in documents)
    told = {"status": "completed", "available": available, "total": len(documents), "failure": None, **more}
    script.on(
        f"POST /processes/{NUMBER}/downloads",
        json_answer({**status_head("processing"), "decision": "started", "documents": []}),
    )
    script.on(
        f"GET /processes/{NUMBER}/status",
        json_answer(status_body("processing", 1, 3)),
        json_answer(status_body(**told)),
    )
    script.on(
        f"GET /processes/{NUMBER}/documents",
        json_answer(page_body(documents[:2], "2")),
        json_answer(page_body(documents[2:])),
    )


def _files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_every_document_becomes_a_file_and_stands_in_the_manifest(ended: Script, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with ended.client() as autos:
        report = autos.download(NUMBER, to=tmp_path / "a" / "b", on_progress=seen.append).check()

    assert (len(report.saved), report.skipped, report.failed, report.pending) == (3, (), (), 0)
    files = _files(tmp_path / "a" / "b")
    manifest = json.loads(files.pop("autos.json"))
    assert files == {f"{n:03d} - Document {n}.pdf": CONTENTS[f"d{n}"] for n in range(1, 4)}
    assert manifest["process_number"] == NUMBER
    assert manifest["documents"][0] == {
        "id": "d1",
        "file": "001 - Document 1.pdf",
        "sha256": hashlib.sha256(CONTENTS["d1"]).hexdigest(),
        "size_bytes": 3_000_000,
    }
    assert (seen[0].status.phase, seen[0].files) == ("downloading", 0)
    assert (seen[-1].files, seen[-1].bytes) == (3, 9_000_000)
    assert all("authorization" not in each.headers for each in ended.requests if each.url.host == "store.test")


def test_more_than_999_files_sort_as_they_are_numbered(ended: Script, tmp_path: Path) -> None:
    with ended.client() as autos:
        autos.download(NUMBER, to=tmp_path)
        _lists(ended, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)], total=1000)
        (tmp_path / "003 - Document 3.pdf").write_bytes(b"something else")
        ended.requests.clear()
        grown = autos.download(NUMBER, to=tmp_path)
        _lists(ended, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        (tmp_path / "003 - Document 3.pdf").unlink()
        shrunk = autos.download(NUMBER, to=tmp_path)

    assert [each.path.name for each in grown.skipped] == ["0001 - Document 1.pdf", "0002 - Document 2.pdf"]
    assert [each.path.name for each in grown.saved] == ["0003 - Document 3.pdf"]
    assert [each.url.path for each in ended.requests if each.url.host == "store.test"] == ["/d3"]
    assert len(shrunk.skipped) == 3
    assert sorted(_files(tmp_path)) == [f"{n:03d} - Document {n}.pdf" for n in range(1, 4)] + ["autos.json"]


@given(st.integers(1, 99_999).flatmap(lambda total: st.tuples(st.just(total), st.lists(st.integers(1, total)))))
def test_names_sort_by_place_whatever_their_number(chosen: tuple[int, list[int]]) -> None:
    total, places = chosen
    made = Document.model_validate(document_body(1, b"x"))
    names = [file_name(place, made, digits_for(total)) for place in sorted(places)]
    assert names == sorted(names)


async def test_what_is_there_already_is_not_brought_again(ended: Script, tmp_path: Path) -> None:
    async with ended.async_client() as autos:
        first = await autos.download(NUMBER, to=tmp_path)
        (tmp_path / "002 - Document 2.pdf").unlink()
        _lists(ended, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        ended.requests.clear()
        second = await autos.download(NUMBER, to=tmp_path, wait=False)

    assert (len(first.saved), len(second.skipped)) == (3, 2)
    assert [each.path.name for each in second.saved] == ["002 - Document 2.pdf"]
    assert [each.url.path for each in ended.requests if each.url.host == "store.test"] == ["/d2"]
    assert len(json.loads((tmp_path / "autos.json").read_text())["documents"]) == 3


def test_a_file_that_is_something_else_stays_unless_it_may_be_replaced(ended: Script, tmp_path: Path) -> None:
    (tmp_path / "001 - Document 1.pdf").write_text("my own notes")
    with ended.client() as autos:
        careful = autos.download(NUMBER, to=tmp_path)
        assert [(each.id, each.code) for each in careful.failed] == [("d1", "file_exists")]
        assert (tmp_path / "001 - Document 1.pdf").read_text() == "my own notes"
        with pytest.raises(DownloadFailed):
            careful.check()

        _lists(ended, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        assert autos.download(NUMBER, to=tmp_path, overwrite=True).complete
    assert (tmp_path / "001 - Document 1.pdf").read_bytes() == CONTENTS["d1"]


def test_a_link_that_has_ended_is_signed_anew(ended: Script, tmp_path: Path) -> None:
    ended.on("GET /d2", lambda _: httpx.Response(403, text="Request has expired"), byte_stream(CONTENTS["d2"]))

    with ended.client() as autos:
        assert autos.download(NUMBER, to=tmp_path).complete

    assert len(ended.requests_to(f"GET /processes/{NUMBER}/documents/d2")) == 1
    assert ended.requests_to(f"GET /processes/{NUMBER}/documents/d1") == []


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([b"\1" * 2_999_999], "damaged"),
        ([b"\1" * 3_000_001], "damaged"),
        ([b"\2" * 3_000_000], "damaged"),
        ([b"\1" * 10, httpx.ReadError("lost")], "not_fetched"),
    ],
)
async def test_bytes_that_are_not_the_documents_never_get_its_name(
    ended: Script, tmp_path: Path, pauses: list[float], sent: list[bytes | Exception], code: str
) -> None:
    ended.on("GET /d1", byte_stream(*sent))

    async with ended.async_client() as autos:
        report = await autos.download(NUMBER, to=tmp_path)

    assert [(each.id, each.code) for each in report.failed] == [("d1", code)]
    assert sorted(_files(tmp_path)) == ["002 - Document 2.pdf", "003 - Document 3.pdf", "autos.json"]
    assert len(ended.requests_to("GET /d1")) == 3


def test_what_cannot_be_had_is_named_and_the_rest_is_saved(script: Script, tmp_path: Path) -> None:
    pending: dict[str, Any] = {"status": "pending", "size_bytes": None, "sha256": None, "download_url": None}
    _lists(
        script,
        [
            document_body(1, b"one"),
            document_body(2, **{**pending, "status": "failed", "failure": failure_body("source_unavailable")}),
            document_body(3, name=None, secrecy="justice_secret", withheld=True, sha256=None, download_url=None),
            document_body(4, **pending),
        ],
        status="partial",
    )
    script.on("GET /d1", byte_stream(b"one"))

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert [each.id for each in report.saved] == ["d1"]
    assert [(each.id, each.code) for each in report.failed] == [("d2", "source_unavailable"), ("d3", "sealed")]
    assert (report.pending, report.complete, report.empty) == (1, False, False)


def test_a_folder_that_takes_no_files_is_told_of_each_document(ended: Script, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"00{number} - Document {number}.pdf").mkdir()

    with ended.client() as autos:
        report = autos.download(NUMBER, to=tmp_path, overwrite=True)

    assert [(each.id, each.code) for each in report.failed] == [("d1", "not_saved"), ("d2", "not_saved")]
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize(("word", "empty"), [("empty", True), ("failed", False)])
def test_a_process_without_documents_makes_no_files(script: Script, tmp_path: Path, word: str, empty: bool) -> None:
    _lists(script, [], status=word)
    script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body([])))

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert (report.empty, report.complete) == (empty, empty)
    assert _files(tmp_path) == {}


def test_a_document_whose_link_is_refused_fails_by_the_apis_own_word(ended: Script, tmp_path: Path) -> None:
    ended.on("GET /d1", lambda _: httpx.Response(403))
    ended.on(f"GET /processes/{NUMBER}/documents/d1", problem_answer(403, "sealed"))

    with ended.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert [(each.id, each.code) for each in report.failed] == [("d1", "sealed")]


def test_four_come_at_once_and_an_early_end_leaves_no_piece_behind(script: Script, tmp_path: Path) -> None:
    together = threading.Barrier(4, timeout=10)
    documents = [document_body(number, b"x" * 2_000_000) for number in range(1, 9)]
    _lists(script, documents)
    script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body(documents)))

    def slowly(request: httpx.Request) -> httpx.Response:
        together.wait()
        return byte_stream(b"x" * 1_000_000, b"x" * 1_000_000)(request)

    for number in range(1, 9):
        script.on(f"GET /d{number}", slowly)

    def interrupt(progress: Progress) -> None:
        if progress.files == 4:
            raise KeyboardInterrupt

    with script.client() as autos, pytest.raises(KeyboardInterrupt):
        autos.download(NUMBER, to=tmp_path, on_progress=interrupt)

    assert list(tmp_path.glob("*.part")) == []


@given(
    st.text(max_size=300),
    st.sampled_from([None, "application/pdf", "text/html", "image/jpeg", "x/unknown", ""]),
    st.integers(1, 20_000),
)
def test_any_name_becomes_one_harmless_file_name(name: str, media_type: str | None, position: int) -> None:
    made = file_name(position, Document.model_validate(document_body(1, name=name, media_type=media_type)))

    assert Path(made).name == made
    assert made.startswith(f"{position:03d} - ")
    assert len(made.encode()) + len(".12345678.part") <= 255
    assert not set(made) & set('/\\:*?"<>|\0')
    assert made.isprintable()
    assert made[-1] not in ". "
    assert made == file_name(position, Document.model_validate(document_body(1, name=name, media_type=media_type)))


@pytest.mark.parametrize(
    ("name", "media_type", "made"),
    [
        ("Petição inicial.pdf", "application/pdf", "007 - Petição inicial.pdf"),
        ("Petição inicial", "application/pdf", "007 - Petição inicial.pdf"),
        ("PETICAO.PDF", "application/pdf", "007 - PETICAO.PDF"),
        ("despacho.pdf", "text/html; charset=utf-8", "007 - despacho.pdf.html"),
        ("../../etc/passwd", "text/plain", "007 - _.._etc_passwd.txt"),
        (
            "Contrato",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "007 - Contrato.docx",
        ),
        ("assinatura.p7s", "x/unknown", "007 - assinatura.p7s"),
        ("Art. 5 da lei", "x/unknown", "007 - Art. 5 da lei.bin"),
        (None, "application/pdf", "007 - document.pdf"),
        (" . ", None, "007 - document.bin"),
        ("con", "text/plain", "007 - con.txt"),
        ("a\u202egpj.exe\x1b[2J\n", "image/jpeg", "007 - agpj.exe[2J.jpg"),
    ],
)
def test_names_keep_what_people_know_them_by(name: str | None, media_type: str | None, made: str) -> None:
    assert file_name(7, Document.model_validate(document_body(1, name=name, media_type=media_type))) == made
