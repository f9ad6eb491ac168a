"""While a run is open, documents are saved as they become available, without reading the same pages again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from autos_client import files, saving
from tests.integration.client.scripted import (
    NUMBER,
    Handler,
    Script,
    byte_stream,
    document_body,
    json_answer,
    pages_answer,
    status_body,
    status_head,
)

STATUS = f"GET /processes/{NUMBER}/status"
DOCUMENTS = f"GET /processes/{NUMBER}/documents"


class OpenRun:
    """A process whose documents become available one after the other.

    Args:
        total: How many documents it has, ten on a page.
        steps: The numbers of the documents that become available before each answer of the status.
    """

    def __init__(self, script: Script, total: int, steps: list[list[int]]) -> None:
        """Plan the answers."""
        self.documents = [
            document_body(number, b"%d" % number, status="pending", download_url=None)
            for number in range(1, total + 1)
        ]
        self._steps: Iterator[list[int]] = iter(steps)
        self._versions = itertools.count()
        self.pages_before_the_end: list[str] = []
        self._script = script
        script.on(
            f"POST /processes/{NUMBER}/downloads",
            json_answer({**status_head("processing"), "decision": "started", "documents": []}),
        )
        script.on(STATUS, self._answer_status)
        script.on(DOCUMENTS, pages_answer(self.documents, 10))
        for number in range(1, total + 1):
            script.on(f"GET /d{number}", byte_stream(b"%d" % number))

    def _answer_status(self, request: httpx2.Request) -> httpx2.Response:
        step = next(self._steps, None)
        for number in step or ():
            self.documents[number - 1] |= {
                "status": "available",
                "download_url": f"https://store.test/d{number}",
            }
        available = sum(document["status"] == "available" for document in self.documents)
        if step is None:
            self.pages_before_the_end = [
                each.url.params.get("cursor", "0") for each in self._script.requests_to(DOCUMENTS)
            ]
        word = "completed" if step is None else "processing"
        tag = f'"{available}{word}"'
        headers = {"ETag": tag, **({"Preference-Applied": "wait=30"} if "prefer" in request.headers else {})}
        if request.headers.get("if-none-match") == tag:
            return httpx2.Response(304, headers=headers)
        return httpx2.Response(200, json=status_body(word, available, len(self.documents)), headers=headers)


@pytest.fixture
def clock(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace sleeps, and let the clock show what was slept."""
    begun = time.monotonic()
    monkeypatch.setattr("autos_client.flows.time.monotonic", lambda: begun + sum(pauses))
    return pauses


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def test_documents_are_there_before_the_run_has_ended(
    script: Script, tmp_path: Path, clock: list[float]
) -> None:
    run = OpenRun(script, 3, [[], [2], [], [1]])
    before_the_end: list[list[str]] = []
    answer_status = script.answers[STATUS][0]

    def look_and_answer(request: httpx2.Request) -> httpx2.Response:
        before_the_end.append(names_in(tmp_path))
        return answer_status(request)

    script.on(STATUS, look_and_answer)
    async with script.async_client() as autos:
        report = await autos.download(NUMBER, to=tmp_path)

    second = "002 - Document 2.pdf"
    assert before_the_end == [[], [], [second], [second], ["001 - Document 1.pdf", second]]
    assert (len(report.saved), report.pending) == (2, 1)
    assert names_in(tmp_path) == ["001 - Document 1.pdf", second, "autos.json"]
    # The service is asked to answer at the next change.
    assert [each.headers.get("prefer") for each in script.requests_to(STATUS)] == [None, *["wait=30"] * 4]
    assert len(run.pages_before_the_end) == 2
    assert min(clock, default=1) > 0


def test_pages_read_and_files_hashed_grow_with_the_documents_only(
    script: Script, tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    def state_of(path: Path, document: Any) -> files.FileState:
        hashed.append(path.name)
        return files.state_of(path, document)

    monkeypatch.setattr(saving, "state_of", state_of)
    run = OpenRun(script, 300, [list(range(first, first + 5)) for first in range(1, 300, 5)])

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert report.complete
    # In order, each page is read twice at most: when its first half is there, and when its second half is.
    assert len(run.pages_before_the_end) <= 2 * 30
    assert len(script.requests_to(DOCUMENTS)) == len(run.pages_before_the_end) + 30
    assert len(hashed) == 300
    assert len(script.requests_to("GET /d1")) == 1


def test_one_late_document_does_not_make_the_client_read_faster_than_a_page_a_second(
    script: Script, tmp_path: Path, clock: list[float]
) -> None:
    run = OpenRun(script, 200, [[number] for number in range(2, 201)])

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert (len(report.saved), report.pending) == (199, 1)
    assert len(run.pages_before_the_end) <= sum(clock) + 20


def test_failed_file_is_tried_again_at_the_end_and_counted_once(
    script: Script, tmp_path: Path, clock: list[float]
) -> None:
    OpenRun(script, 2, [[1], [2]])
    refuse: Handler = lambda _: httpx2.Response(403)  # noqa: E731
    script.on("GET /d1", refuse, refuse, refuse, byte_stream(b"1"))
    script.on(
        f"{DOCUMENTS}/d1",
        json_answer(document_body(1, b"1", download_url="https://store.test/d1")),
    )
    seen = []

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path, on_progress=lambda progress: seen.append(progress.files))

    assert report.complete
    assert seen[-1] == 2


def test_names_follow_a_process_that_grows_during_the_run(
    script: Script, tmp_path: Path, clock: list[float]
) -> None:
    run = OpenRun(script, 999, [[1], []])
    answer_status = script.answers[STATUS][0]

    def grow_and_answer(request: httpx2.Request) -> httpx2.Response:
        if names_in(tmp_path):
            run.documents[999:] = [document_body(1000, b"x", status="failed", download_url=None)]
        return answer_status(request)

    script.on(STATUS, grow_and_answer)
    with script.client() as autos:
        autos.download(NUMBER, to=tmp_path)

    assert names_in(tmp_path) == ["0001 - Document 1.pdf", "autos.json"]
    assert len(script.requests_to("GET /d1")) == 1
