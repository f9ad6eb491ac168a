"""One ZIP of many pieces, and `autos verify`, which finds whatever was changed in a bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.bundles.pdf import build_pdf
from adapters.bundles.zip_archive import ZipBundle
from autos_client_cli.app import app
from autos_client_cli.bundle_files import NotABundle, verify_bundle
from domain.bundle_contents import OmissionReason, Piece
from domain.errors import BundleNotBuilt
from tests.support.bundle_pieces import FILED_AT, cover_facts, make_pdf, piece_of


def make_pieces(folder: Path) -> list[Piece]:
    """Return three documents, one that failed and one that is withheld."""
    (folder / "video").write_bytes(b"\0\0\0 ftypmp42" * 200_000)
    return [
        piece_of(make_pdf(folder / "a.pdf", "inicial"), 1, "Petição inicial: ação/cobrança.pdf"),
        piece_of(folder / "video", 2, None, media_type="video/mp4", type_name="Audiência", filed_at=None),
        Piece("id-3", 3, name="Laudo", filed_at=FILED_AT, omitted=OmissionReason.FAILED, detail="HTTP 404."),
        Piece(None, 4, omitted=OmissionReason.WITHHELD),
        piece_of(make_pdf(folder / "b.pdf", "final"), 1234, "Sentença"),
    ]


def write(path: Path, body: bytes) -> None:
    """Write a file."""
    path.write_bytes(body)


def read(path: Path) -> bytes:
    """Return what a file holds."""
    return path.read_bytes()


async def write_zip(pieces: list[Piece], path: Path) -> Path:
    """Write a bundle to a file."""
    bundle = ZipBundle(cover_facts(len(pieces)), pieces)
    body = b"".join([chunk async for chunk in bundle])
    assert len(body) == bundle.built.size_bytes
    write(path, body)
    return path


@pytest.fixture
async def archive(tmp_path: Path) -> Path:
    """A ZIP."""
    return await write_zip(make_pieces(tmp_path), tmp_path / "autos.zip")


@pytest.fixture
async def document(tmp_path: Path) -> Path:
    """A PDF."""
    pieces = make_pieces(tmp_path)
    pieces[1] = Piece("id-2", 2, media_type="video/mp4", omitted=OmissionReason.VIDEO)
    await build_pdf(cover_facts(len(pieces)), pieces, tmp_path / "autos.pdf", tmp_path)
    return tmp_path / "autos.pdf"


def test_members_are_named_dated_and_stored(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == [
            "0001 - 2024-05-03 - Petição inicial_ ação_cobrança.pdf",
            "0002 - Audiência.mp4",
            "1234 - 2027-09-18 - Sentença.pdf",
            "manifest.json",
            "SHA256SUMS",
        ]
        assert {member.compress_type for member in opened.infolist()} == {zipfile.ZIP_STORED}
        assert opened.infolist()[0].date_time == (2024, 5, 3, 10, 0, 0)
        assert opened.infolist()[1].date_time[0] == 1980
        manifest = json.loads(opened.read("manifest.json"))
    assert [omission["reason"] for omission in manifest["omitted"]] == ["failed", "withheld"]
    assert manifest["omitted"][1]["document_id"] is None
    assert manifest["listed_at"].startswith("2026-10-05")


def test_sums_are_read_by_the_usual_program(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)


async def test_same_pieces_are_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    again = b"".join([chunk async for chunk in ZipBundle(cover_facts(5), make_pieces(tmp_path))])
    assert again == read(archive)


async def test_a_file_that_is_not_the_stored_one_stops_the_archive(tmp_path: Path) -> None:
    pieces = make_pieces(tmp_path)
    write(tmp_path / "video", b"x" * (pieces[1].size_bytes or 0))
    with pytest.raises(BundleNotBuilt):
        await write_zip(pieces, tmp_path / "autos.zip")


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Write a ZIP again with changed members, whose checksums are right."""
    with zipfile.ZipFile(path) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as written:
        for name, body in members.items():
            written.writestr(name, body)


FIRST = "0001 - 2024-05-03 - Petição inicial_ ação_cobrança.pdf"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda members: members.update({FIRST: members[FIRST] + b" "}), ("changed", FIRST)),
        (lambda members: members.pop(FIRST), ("missing", FIRST)),
        (lambda members: members.update({"extra.txt": b"x"}), ("extra", "extra.txt")),
        (
            lambda members: members.update({"manifest.json": members["manifest.json"].replace(b"TJMT", b"TJSP")}),
            ("changed", "manifest.json"),
        ),
    ],
    ids=["changed", "missing", "extra", "manifest"],
)
def test_verify_finds_what_was_changed_in_a_zip(
    archive: Path, change: Callable[[dict[str, bytes]], None], finding: tuple[str, str]
) -> None:
    assert verify_bundle(archive).findings == []
    rewrite(archive, change)
    assert [(found.code, found.name) for found in verify_bundle(archive).findings] == [finding]


def test_verify_finds_each_changed_byte_of_a_pdf(document: Path) -> None:
    report = verify_bundle(document)
    assert report.findings == []
    assert (report.documents, len(report.omitted)) == (2, 3)
    body = document.read_bytes()
    for position in (10, len(body) // 3, len(body) // 2, len(body) - 3):
        document.write_bytes(body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :])
        try:
            assert [found.code for found in verify_bundle(document).findings] == ["changed"]
        except NotABundle:
            continue
    document.write_bytes(body + b"\n1 0 obj\nnull\nendobj\n")
    assert [found.code for found in verify_bundle(document).findings] == ["changed"]


def test_verify_refuses_what_is_no_bundle(archive: Path, document: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for body in (
        *(b"", b"%PDF-1.4\n%%EOF", b"PK\x03\x04", b"text", archive.read_bytes()[:-40]),
        *(document.read_bytes()[:-200], (tmp_path / "a.pdf").read_bytes()),
    ):
        other.write_bytes(body)
        with pytest.raises(NotABundle):
            verify_bundle(other)
    with zipfile.ZipFile(other, "w") as written:
        written.writestr("SHA256SUMS", b"")
        written.writestr("manifest.json", b"[" * 100_000)
    with pytest.raises(NotABundle):
        verify_bundle(other)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_verify_expands_nothing(archive: Path, tmp_path: Path, method: int) -> None:
    """A compressed member may be damaged so that its decompressor fails, or may expand without end."""
    with zipfile.ZipFile(archive) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as written:
        for name, body in members.items():
            written.writestr(name, body, method if name == FIRST else zipfile.ZIP_STORED)
    with zipfile.ZipFile(other) as opened:
        member = opened.getinfo(FIRST)
        begin = member.header_offset + 30 + len(FIRST.encode()) + 4
    body = other.read_bytes()
    other.write_bytes(body[:begin] + b"\xff" * 20 + body[begin + 20 :])
    assert [(found.code, found.name) for found in verify_bundle(other).findings] == [("changed", FIRST)]


@pytest.mark.parametrize(
    "manifest",
    [
        {"documents": [{"sha256": "0", "file": FIRST}], "omitted": []},
        {"documents": [], "omitted": [["reason"]]},
        {"documents": [], "omitted": "x"},
        {"documents": {"a": 1}, "omitted": []},
    ],
)
def test_verify_refuses_a_manifest_that_is_not_whole(archive: Path, manifest: dict[str, object]) -> None:
    content = json.dumps({"autos_bundle": 1, "format": "zip", **manifest}).encode()
    rewrite(archive, lambda members: members.update({"manifest.json": content}))
    with pytest.raises(NotABundle):
        verify_bundle(archive)


def test_verify_refuses_members_that_are_more_than_the_file(archive: Path) -> None:
    """Many names for the same bytes."""
    body = archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        directory_at = opened.start_dir
        amount = len(opened.namelist())
    end = body.rindex(b"PK\x05\x06")
    listed = body[directory_at:end] * 500
    amounts = (amount * 500).to_bytes(2, "little") * 2
    tail = (
        b"PK\x05\x06" + bytes(4) + amounts + len(listed).to_bytes(4, "little") + directory_at.to_bytes(4, "little")
    )
    archive.write_bytes(body[:directory_at] + listed + tail + bytes(2))
    with pytest.raises(NotABundle):
        verify_bundle(archive)


def test_the_command_has_exit_codes_and_json(archive: Path, document: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(app, ["verify", str(archive)]).exit_code == 0
    answer = run(app, ["verify", str(document), "--json"])
    assert (answer.exit_code, json.loads(answer.stdout)["intact"]) == (0, True)
    broken = tmp_path / "broken.zip"
    shutil.copy(archive, broken)
    rewrite(broken, lambda members: members.update({FIRST: b"x"}))
    answer = run(app, ["verify", str(broken), "--json"])
    assert answer.exit_code == 7
    assert json.loads(answer.stdout)["findings"] == [{"code": "changed", "name": FIRST}]
