"""A power cut neither leaves a document's name without its bytes, nor has the next download refuse what it left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autos_client import Document
from autos_client.files import FileState, state_of
from tests.integration.client.scripted import (
    NUMBER,
    Script,
    byte_stream,
    document_body,
    json_answer,
    pages_answer,
    status_body,
    status_head,
)

CONTENT = b"%PDF-1.7 " + bytes(range(256)) * 40
NAME = "001 - Document 1.pdf"


@pytest.fixture
def ended_process(script: Script) -> Script:
    """An API with an ended process of one document."""
    started = {**status_head("processing"), "decision": "started", "documents": []}
    script.on(f"POST /processes/{NUMBER}/downloads", json_answer(started))
    script.on(f"GET /processes/{NUMBER}/status", json_answer(status_body("completed", 1)))
    script.on(f"GET /processes/{NUMBER}/documents", pages_answer([document_body(1, CONTENT)], 200))
    script.on("GET /d1", byte_stream(CONTENT))
    return script


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the names that files get. Each must have been brought to the disk whole before it gets one."""
    sizes: dict[int, int] = {}
    names: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        sizes[found.st_ino] = found.st_size

    def note_rename(path: Path, target: Path) -> Path:
        found = path.stat()
        assert sizes.get(found.st_ino) == found.st_size > 0
        names.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    return names


def list_parts(folder: Path) -> list[Path]:
    """Return the files that have not got their names."""
    return list(folder.rglob("*.part"))


async def test_a_name_means_that_the_bytes_are_on_the_disk(
    ended_process: Script, tmp_path: Path, renamed: list[str]
) -> None:
    with ended_process.client() as autos:
        autos.download(NUMBER, to=tmp_path / "blocking").check()
    async with ended_process.async_client() as autos_too:
        (await autos_too.download(NUMBER, to=tmp_path / "async")).check()

    assert renamed == [NAME, "autos.json"] * 2
    assert list_parts(tmp_path) == []


@pytest.mark.parametrize("left", [b"", bytes(len(CONTENT)), bytes(100)], ids=["empty", "no byte", "cut short"])
def test_what_a_power_cut_has_left_is_replaced(ended_process: Script, tmp_path: Path, left: bytes) -> None:
    (tmp_path / NAME).write_bytes(left)

    with ended_process.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert (len(report.saved), report.skipped, report.failed) == (1, (), ())
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_whole_file_counts_whoever_has_written_it(ended_process: Script, tmp_path: Path) -> None:
    # Without the manifest, and with what the killed program was writing.
    (tmp_path / NAME).write_bytes(CONTENT)
    (tmp_path / f"{NAME}.0123abcd.part").write_bytes(CONTENT[:100])

    with ended_process.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert (report.saved, len(report.skipped), report.complete) == ((), 1, True)
    assert ended_process.requests_to("GET /d1") == []


def test_a_file_is_compared_with_its_document(tmp_path: Path) -> None:
    document = Document.model_validate(document_body(1, CONTENT))
    for content, state in {
        CONTENT: FileState.SAME,
        CONTENT[:-1]: FileState.OTHER,
        CONTENT + b"\0": FileState.OTHER,
        CONTENT[:-1] + b"x": FileState.OTHER,
        b"my own notes": FileState.OTHER,
        b"": FileState.BLANK,
        bytes(3_000_000): FileState.BLANK,
    }.items():
        (tmp_path / "file").write_bytes(content)
        assert state_of(tmp_path / "file", document) is state
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    assert state_of(tmp_path / "missing", document) is FileState.MISSING
    assert {state_of(tmp_path / name, document) for name in ("folder", "pipe")} == {FileState.OTHER}
    empty = Document.model_validate(document_body(1, b""))
    (tmp_path / "file").write_bytes(b"")
    assert state_of(tmp_path / "file", empty) is FileState.SAME
