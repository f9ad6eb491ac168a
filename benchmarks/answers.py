"""The time of an answer about a complete process, with every link signed, against reading the same rows.

One client asks both in turn, request by request, over connections that stay open, and reads each body to its end.
A round's figures are the median and the 99th percentile of its requests, and its ratio is that of the medians.
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
from benchmarks.measurement import ROUNDS, CannotMeasure, Figure, Round

# The simulated court knows it with this many documents, each of its own size.
NUMBER = "1011745-77.2025.8.11.0041"
DOCUMENTS = 31
_WARM_UP_REQUESTS = 200
_REQUESTS = 500


async def complete_process(bench: Bench) -> Sequence[Round]:
    """Download the process, then ask for it again and again."""
    await bench.set_latency(0)
    answer = await bench.get(f"/processes/{NUMBER}", auto_download="true")
    await bench.temporal.get_workflow_handle(NUMBER, run_id=answer["run"]["id"]).result()
    async with bench.beside("rows_only") as server:
        port = (await server.line())["port"]
        api = urlsplit(bench.api)
        with (
            closing(HTTPConnection(api.hostname or "", api.port, timeout=60)) as ours,
            closing(HTTPConnection("127.0.0.1", port, timeout=60)) as baseline,
        ):
            both = (ours, f"/processes/{NUMBER}"), (baseline, f"/rows/{NUMBER}")
            await _check(bench, *(json.loads(_timed(*each)[1]) for each in both))
            await asyncio.to_thread(_round, both, _WARM_UP_REQUESTS)
            rounds = []
            for index in range(ROUNDS):
                rounds.append(await asyncio.to_thread(_round, both, _REQUESTS))
                bench.say(f"round {index + 1} of {ROUNDS}: {rounds[-1].ours} against {rounds[-1].baseline}")
    return rounds


def _round(both: Sequence[tuple[HTTPConnection, str]], requests: int) -> Round:
    times: tuple[list[float], ...] = tuple([] for _ in both)
    for _ in range(requests):
        for each, taken in zip(both, times, strict=True):
            taken.append(_timed(*each)[0] * 1000)
    return Round(
        *(Figure(statistics.median(taken), "ms", statistics.quantiles(taken, n=100)[98]) for taken in times)
    )


def _timed(connection: HTTPConnection, path: str) -> tuple[float, bytes]:
    begun = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - begun
    if answer.status != 200:
        raise CannotMeasure(f"GET {path} answered {answer.status}.")
    return seconds, body


async def _check(bench: Bench, ours: dict[str, Any], baseline: dict[str, Any]) -> None:
    """Both must hold the same documents, and a link must lead to the stated bytes."""
    documents = ours["documents"]
    ids = [document["id"] for document in documents]
    if len(ids) != DOCUMENTS or ids != [row["id"] for row in baseline["documents"]]:
        raise CannotMeasure(f"The answers hold {len(ids)} and {len(baseline['documents'])} documents.")
    unsigned = [document["id"] for document in documents if not document["download_url"]]
    if ours["status"] != "completed" or unsigned:
        raise CannotMeasure(f"The process is {ours['status']}, and {len(unsigned)} documents have no link.")
    content = (await bench.http.get(documents[-1]["download_url"])).raise_for_status().content
    if hashlib.sha256(content).hexdigest() != documents[-1]["sha256"]:
        raise CannotMeasure("A link leads to other bytes than stated.")
