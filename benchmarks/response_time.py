"""Time of a response about a complete process, with every link signed, against reading the same rows.

One client sends requests to both in turn over keep-alive connections, and reads each body to its end. A round's
figures are the median and the 99th percentile of its requests. Its ratio is that of the medians.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from benchmarks.bench import Bench
from benchmarks.measurement import CannotMeasure, Figure, Round, log_round

# The simulated court has this process with this many documents of different sizes.
NUMBER = "1011745-77.2025.8.11.0041"
DOCUMENTS = 31
_WARM_UP_REQUESTS = 200


async def complete_process(bench: Bench) -> Sequence[Round]:
    """Download the process, then request it again and again."""
    await bench.set_latency(0)
    response = await bench.get(f"/processes/{NUMBER}", auto_download="true")
    await bench.temporal.get_workflow_handle(NUMBER, run_id=response["run"]["id"]).result()
    async with bench.run_module("rows_only") as server:
        port = (await server.read_line())["port"]
        api = urlsplit(bench.api)
        with (
            closing(HTTPConnection(api.hostname or "", api.port, timeout=60)) as ours,
            closing(HTTPConnection("127.0.0.1", port, timeout=60)) as baseline,
        ):
            targets = (ours, f"/processes/{NUMBER}"), (baseline, f"/rows/{NUMBER}")
            await _check_bodies(bench, *(json.loads(_timed_get(*target)[1]) for target in targets))
            await asyncio.to_thread(_measure_round, targets, _WARM_UP_REQUESTS)
            rounds: list[Round] = []
            for _ in range(bench.effort.rounds):
                rounds.append(await asyncio.to_thread(_measure_round, targets, bench.effort.requests))
                log_round(bench.log, rounds, bench.effort.rounds)
    return rounds


def _measure_round(targets: Sequence[tuple[HTTPConnection, str]], requests: int) -> Round:
    times: tuple[list[float], ...] = tuple([] for _ in targets)
    for _ in range(requests):
        for target, milliseconds in zip(targets, times, strict=True):
            milliseconds.append(_timed_get(*target)[0] * 1000)
    ours, baseline = (
        Figure(statistics.median(milliseconds), "ms", statistics.quantiles(milliseconds, n=100)[98])
        for milliseconds in times
    )
    return Round(ours, baseline)


def _timed_get(connection: HTTPConnection, path: str) -> tuple[float, bytes]:
    begun = time.perf_counter()
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    seconds = time.perf_counter() - begun
    if response.status != 200:
        raise CannotMeasure(f"GET {path} returned {response.status}.")
    return seconds, body


async def _check_bodies(bench: Bench, ours: dict[str, Any], baseline: dict[str, Any]) -> None:
    """Check that both bodies have the same documents, and that a link serves the stated bytes."""
    documents = ours["documents"]
    ids = [document["id"] for document in documents]
    if len(ids) != DOCUMENTS or ids != [row["id"] for row in baseline["documents"]]:
        raise CannotMeasure(f"The responses have {len(ids)} and {len(baseline['documents'])} documents.")
    unsigned = [document["id"] for document in documents if not document["download_url"]]
    if ours["status"] != "completed" or unsigned:
        raise CannotMeasure(f"The process is {ours['status']}, and {len(unsigned)} documents have no link.")
    content = (await bench.http.get(documents[-1]["download_url"])).raise_for_status().content
    if hashlib.sha256(content).hexdigest() != documents[-1]["sha256"]:
        raise CannotMeasure("A link serves other bytes than stated.")
