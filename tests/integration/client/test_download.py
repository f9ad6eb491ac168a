"""Downloaded documents become verified files with safe names, or are named in the report."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import httpx2
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
    pages_answer,
    problem_answer,
    status_body,
    status_head,
)

CONTENTS = {f"d{number}": bytes([number]) * 3_000_000 for number in range(1, 4)}


@pytest.fixture
def ended_process(script: Script) -> Script:
    """An API with an ended process of three documents."""
    documents = [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)]
    _serve_documents(script, documents)
    for name, content in CONTENTS.items():
        script.on(f"GET /{name}", byte_stream(content[:1_000_000], content[1_000_000:]))
        script.on(f"GET /processes/{NUMBER}/documents/{name}", json_answer(documents[int(name[1]) - 1]))
    return script


def _serve_documents(script: Script, documents: list[dict[str, Any]], **more: Any) -> None:
    available = sum(each["status"] == "available" for each in documents)
    final_status = {"status": "completed", "available": available, "total": len(documents), "failure": None, **more}
    script.on(
        f"POST /processes/{NUMBER}/downloads",
        json_answer({**status_head("processing"), "decision": "started", "documents": []}),
    )
    script.on(
        f"GET /processes/{NUMBER}/status",
        json_answer(status_body("processing", 1, 3)),
        json_answer(status_body(**final_status)),
    )
    script.on(f"GET /processes/{NUMBER}/documents", pages_answer(documents, 2))


def _read_files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_every_document_is_saved_and_in_the_manifest(ended_process: Script, tmp_path: Path) -> None:
    seen: list[Progress] = []
    with ended_process.client() as autos:
        report = autos.download(NUMBER, to=tmp_path / "a" / "b", on_progress=seen.append).check()

    assert (len(report.saved), report.skipped, report.failed, report.pending) == (3, (), (), 0)
    files = _read_files(tmp_path / "a" / "b")
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
    assert all(
        "authorization" not in each.headers for each in ended_process.requests if each.url.host == "store.test"
    )


def test_more_than_999_files_sort_by_number(ended_process: Script, tmp_path: Path) -> None:
    with ended_process.client() as autos:
        autos.download(NUMBER, to=tmp_path)
        _serve_documents(
            ended_process, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)], total=1000
        )
        (tmp_path / "003 - Document 3.pdf").write_bytes(b"something else")
        ended_process.requests.clear()
        grown = autos.download(NUMBER, to=tmp_path)
        _serve_documents(ended_process, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        (tmp_path / "003 - Document 3.pdf").unlink()
        shrunk = autos.download(NUMBER, to=tmp_path)

    assert [each.path.name for each in grown.skipped] == ["0001 - Document 1.pdf", "0002 - Document 2.pdf"]
    assert [each.path.name for each in grown.saved] == ["0003 - Document 3.pdf"]
    assert [each.url.path for each in ended_process.requests if each.url.host == "store.test"] == ["/d3"]
    assert len(shrunk.skipped) == 3
    assert sorted(_read_files(tmp_path)) == [f"{n:03d} - Document {n}.pdf" for n in range(1, 4)] + ["autos.json"]


@given(st.integers(1, 99_999).flatmap(lambda total: st.tuples(st.just(total), st.lists(st.integers(1, total)))))
def test_file_names_sort_by_position(chosen: tuple[int, list[int]]) -> None:
    total, places = chosen
    made = Document.model_validate(document_body(1, b"x"))
    names = [file_name(place, made, digits_for(total)) for place in sorted(places)]
    assert names == sorted(names)


async def test_existing_files_are_not_downloaded_again(ended_process: Script, tmp_path: Path) -> None:
    async with ended_process.async_client() as autos:
        first = await autos.download(NUMBER, to=tmp_path)
        (tmp_path / "002 - Document 2.pdf").unlink()
        _serve_documents(ended_process, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        ended_process.requests.clear()
        second = await autos.download(NUMBER, to=tmp_path, wait=False)

    assert (len(first.saved), len(second.skipped)) == (3, 2)
    assert [each.path.name for each in second.saved] == ["002 - Document 2.pdf"]
    assert [each.url.path for each in ended_process.requests if each.url.host == "store.test"] == ["/d2"]
    assert len(json.loads((tmp_path / "autos.json").read_text())["documents"]) == 3


def test_different_file_is_kept_unless_overwrite_is_set(ended_process: Script, tmp_path: Path) -> None:
    (tmp_path / "001 - Document 1.pdf").write_text("my own notes")
    with ended_process.client() as autos:
        careful = autos.download(NUMBER, to=tmp_path)
        assert [(each.id, each.code) for each in careful.failed] == [("d1", "file_exists")]
        assert (tmp_path / "001 - Document 1.pdf").read_text() == "my own notes"
        with pytest.raises(DownloadFailed, match=r": 1 document failed, 0 not downloaded\.$"):
            careful.check()

        _serve_documents(ended_process, [document_body(number, CONTENTS[f"d{number}"]) for number in range(1, 4)])
        assert autos.download(NUMBER, to=tmp_path, overwrite=True).complete
    assert (tmp_path / "001 - Document 1.pdf").read_bytes() == CONTENTS["d1"]


def test_expired_link_is_requested_again(ended_process: Script, tmp_path: Path) -> None:
    ended_process.on(
        "GET /d2", lambda _: httpx2.Response(403, text="Request has expired"), byte_stream(CONTENTS["d2"])
    )

    with ended_process.client() as autos:
        assert autos.download(NUMBER, to=tmp_path).complete

    assert len(ended_process.requests_to(f"GET /processes/{NUMBER}/documents/d2")) == 1
    assert ended_process.requests_to(f"GET /processes/{NUMBER}/documents/d1") == []


@pytest.mark.parametrize(
    ("sent", "code", "attempts"),
    [
        ([b"\1" * 2_999_999], "damaged", 3),
        ([b"\1" * 3_000_001], "damaged", 3),
        ([b"\2" * 3_000_000], "damaged", 3),
        ([b"\1" * 10, httpx2.ReadError("lost")], "not_fetched", 4),
    ],
)
async def test_damaged_bytes_are_never_saved_under_the_document_name(
    ended_process: Script,
    tmp_path: Path,
    pauses: list[float],
    sent: list[bytes | Exception],
    code: str,
    attempts: int,
) -> None:
    ended_process.on("GET /d1", byte_stream(*sent))

    async with ended_process.async_client() as autos:
        report = await autos.download(NUMBER, to=tmp_path, wait=False)

    assert [(each.id, each.code) for each in report.failed] == [("d1", code)]
    assert sorted(_read_files(tmp_path)) == ["002 - Document 2.pdf", "003 - Document 3.pdf", "autos.json"]
    assert len(ended_process.requests_to("GET /d1")) == attempts


def test_unavailable_documents_are_reported_and_the_rest_saved(script: Script, tmp_path: Path) -> None:
    pending: dict[str, Any] = {"status": "pending", "size_bytes": None, "sha256": None, "download_url": None}
    _serve_documents(
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


def test_unwritable_folder_is_reported_for_each_document(ended_process: Script, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"00{number} - Document {number}.pdf").mkdir()

    with ended_process.client() as autos:
        report = autos.download(NUMBER, to=tmp_path, overwrite=True)

    assert [(each.id, each.code) for each in report.failed] == [("d1", "not_saved"), ("d2", "not_saved")]
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize(("word", "empty"), [("empty", True), ("failed", False)])
def test_process_without_documents_creates_no_files(script: Script, tmp_path: Path, word: str, empty: bool) -> None:
    _serve_documents(script, [], status=word)
    script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body([])))

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert (report.empty, report.complete) == (empty, empty)
    assert _read_files(tmp_path) == {}


def test_document_with_a_refused_link_fails_with_the_api_code(ended_process: Script, tmp_path: Path) -> None:
    ended_process.on("GET /d1", lambda _: httpx2.Response(403))
    ended_process.on(f"GET /processes/{NUMBER}/documents/d1", problem_answer(403, "sealed"))

    with ended_process.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert [(each.id, each.code) for each in report.failed] == [("d1", "sealed")]


def test_four_downloads_run_at_once_and_interruption_leaves_no_partial_files(
    script: Script, tmp_path: Path
) -> None:
    together = threading.Barrier(4, timeout=60)
    documents = [document_body(number, b"x" * 2_000_000) for number in range(1, 9)]
    _serve_documents(script, documents)
    script.on(f"GET /processes/{NUMBER}/documents", json_answer(page_body(documents)))

    def slowly(request: httpx2.Request) -> httpx2.Response:
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
def test_any_name_becomes_one_safe_file_name(name: str, media_type: str | None, position: int) -> None:
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
def test_file_names_stay_recognisable(name: str | None, media_type: str | None, made: str) -> None:
    assert file_name(7, Document.model_validate(document_body(1, name=name, media_type=media_type))) == made
