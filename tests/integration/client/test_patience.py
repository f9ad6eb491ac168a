"""With patience, requests and downloads outlive an API and a store that do not answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from autos_client import Outage, Party, Patience, RateLimited, Unauthorized, Unavailable
from tests.integration.client.scripted import (
    NUMBER,
    Script,
    break_connection,
    byte_stream,
    document_body,
    json_answer,
    pages_answer,
    problem_answer,
    status_body,
    status_head,
)

START = f"POST /processes/{NUMBER}/downloads"
STATUS = f"GET /processes/{NUMBER}/status"
DOCUMENTS = f"GET /processes/{NUMBER}/documents"
CONTENT = b"the document"
refuse_key = problem_answer(401, "unauthorized")
out_of_service = problem_answer(503, "temporal_unavailable")


@dataclass
class Reports:
    """What a ``Patience`` has reported."""

    outages: list[Outage] = field(default_factory=list)
    recoveries: list[Party] = field(default_factory=list)

    def patience(self, seconds: float) -> Patience:
        """Return a patience that reports here."""
        return Patience(seconds, on_outage=self.outages.append, on_recovery=self.recoveries.append)


def serve_process(script: Script) -> None:
    """Plan the answers for an ended process with one document."""
    documents = [document_body(1, CONTENT)]
    script.on(START, json_answer({**status_head("processing"), "decision": "started", "documents": []}))
    script.on(STATUS, json_answer(status_body("completed", 1)))
    script.on(DOCUMENTS, pages_answer(documents, 200))
    script.on(f"{DOCUMENTS}/d1", json_answer(documents[0]))
    script.on("GET /d1", byte_stream(CONTENT))


async def test_download_outlives_an_api_that_is_away_at_each_step(
    script: Script, tmp_path: Path, clock: list[float]
) -> None:
    serve_process(script)
    for route in (START, STATUS, DOCUMENTS):
        script.on(route, *[break_connection] * 9, *script.answers[route])
    reports = Reports()

    with script.client() as autos:
        report = autos.download(NUMBER, to=tmp_path / "blocking", patience=reports.patience(600))

    assert report.complete
    assert [(outage.party, outage.reason) for outage in reports.outages] == [("api", "ConnectError")] * 3
    assert 599 < reports.outages[0].seconds_left <= 600
    assert reports.recoveries == [Party.API] * 3
    assert max(clock) == 10

    for route in (START, STATUS, DOCUMENTS):
        script.on(route, *[out_of_service] * 9, *script.answers[route])
    async with script.async_client() as autos_too:
        assert (await autos_too.download(NUMBER, to=tmp_path / "async", patience=600)).complete


async def test_download_outlives_a_store_that_is_away(script: Script, tmp_path: Path, clock: list[float]) -> None:
    serve_process(script)
    script.on("GET /d1", *[break_connection] * 5, *[lambda _: httpx2.Response(503)] * 5, byte_stream(CONTENT))
    reports = Reports()

    async with script.async_client() as autos:
        report = await autos.download(NUMBER, to=tmp_path, patience=reports.patience(600))

    assert report.complete
    assert ([outage.party for outage in reports.outages], reports.recoveries) == (["store"], ["store"])
    # Each attempt asks for a fresh link.
    assert len(script.requests_to(f"{DOCUMENTS}/d1")) == 10


def test_patience_ends_after_its_seconds_without_an_answer(script: Script, clock: list[float]) -> None:
    script.on(STATUS, *[break_connection] * 5, json_answer(status_body()), break_connection)

    with script.client(patience=100) as autos:
        autos.status(NUMBER)
        so_far = sum(clock)
        with pytest.raises(Unavailable):
            autos.status(NUMBER)

    assert 90 < sum(clock) - so_far <= 100.1


def test_many_requests_share_one_patience(script: Script, clock: list[float]) -> None:
    script.on(STATUS, break_connection)

    with script.client(patience=100) as autos:
        for _ in range(20):
            with pytest.raises(Unavailable):
                autos.status(NUMBER)

    assert sum(clock) < 100 + 20 * 2


def test_no_patience_is_a_few_attempts_and_no_report(script: Script, clock: list[float]) -> None:
    script.on(STATUS, break_connection)
    reports = Reports()

    with script.client(patience=reports.patience(0)) as autos, pytest.raises(Unavailable):
        autos.status(NUMBER)

    assert (len(script.requests), reports.outages) == (4, [])


def test_rate_limit_is_waited_out_and_is_no_outage(script: Script, clock: list[float]) -> None:
    limited = problem_answer(429, "rate_limited", Retry_After="50")
    script.on(STATUS, *[limited] * 7, json_answer(status_body()), limited)
    reports = Reports()

    with script.client(patience=reports.patience(600)) as autos:
        autos.status(NUMBER)
        assert clock == [50] * 7
        with pytest.raises(RateLimited):
            autos.status(NUMBER)

    assert reports.outages == []
    assert sum(clock) == pytest.approx(50 * 7 + 600)


def test_refused_key_ends_at_once(script: Script, tmp_path: Path, clock: list[float]) -> None:
    script.on(START, break_connection, break_connection, refuse_key)
    reports = Reports()

    with script.client() as autos, pytest.raises(Unauthorized):
        autos.download(NUMBER, to=tmp_path, patience=reports.patience(600))

    assert len(script.requests) == 3
    assert reports.recoveries == [Party.API]


def test_lasting_refusal_by_the_store_needs_no_patience(script: Script, tmp_path: Path, clock: list[float]) -> None:
    serve_process(script)
    script.on("GET /d1", lambda _: httpx2.Response(403))

    with script.client(patience=600) as autos:
        report = autos.download(NUMBER, to=tmp_path)

    assert [failed.code for failed in report.failed] == ["not_fetched"]
    assert sum(clock) < 2
