"""The worker's peak memory while large documents flow through it, above its idle memory.

A thread samples the worker's resident memory (RSS) during a run. The figure is the peak minus the RSS before the
first run. These rows use a stack of their own, because a worker that has done other work has a higher idle memory.
Afterwards the catalog must have the digests of the simulated court's documents, and the links must serve those
bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Sequence

import psutil

from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import CannotMeasure, Figure, Round
from domain.process_number import ProcessNumber
from simulator.case import Shape, build_case

MIB = 1024**2
ONE_BYTES = 1024 * MIB
MANY = 4
MANY_BYTES = 256 * MIB
_WARM_UP_BYTES = 10 * MIB
_SAMPLE_SECONDS = 0.01


class PeakMemory:
    """Context manager that records the highest RSS of a service, in bytes, in ``peak``."""

    def __init__(self, service: psutil.Process) -> None:
        self._service = service
        self._stopped = threading.Event()
        self.peak = 0

    def __enter__(self) -> PeakMemory:
        """Start sampling."""
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, self._service.memory_info().rss)


async def one_document(bench: Bench) -> Sequence[Round]:
    """Measure one document of 1 GiB."""
    return await _measure(bench, 1, ONE_BYTES)


async def documents_at_once(bench: Bench) -> Sequence[Round]:
    """Measure several large documents of one process, downloaded at the same time."""
    return await _measure(bench, MANY, MANY_BYTES)


async def _measure(bench: Bench, documents: int, size_bytes: int) -> Sequence[Round]:
    rounds = []
    async with open_bench() as fresh:
        # Modules that the worker loads for its very first document do not count as memory of a large one.
        await fresh.time_run(await fresh.new_process(1, _WARM_UP_BYTES))
        idle = fresh.worker.memory_info().rss
        for index in range(bench.effort.rounds):
            number = await fresh.new_process(documents, size_bytes)
            with PeakMemory(fresh.worker) as memory:
                seconds = await fresh.time_run(number)
            await _check_documents(fresh, number, documents, size_bytes)
            rounds.append(Round(Figure((memory.peak - idle) / MIB, "MiB")))
            bench.log(
                f"round {index + 1} of {bench.effort.rounds}: {rounds[-1].ours} above {idle / MIB:.0f} MiB, "
                f"{documents * size_bytes / MIB / seconds:.0f} MiB/s"
            )
    return rounds


async def _check_documents(bench: Bench, number: str, documents: int, size_bytes: int) -> None:
    shape = Shape(documents=documents, size_bytes=size_bytes)
    expected = build_case(ProcessNumber.parse(number), shape).by_id
    stored = (await bench.get(f"/processes/{number}"))["documents"]
    if expected.keys() != {document["id"] for document in stored if document["status"] == "available"}:
        raise CannotMeasure(f"Not all {documents} documents of {size_bytes} bytes are available.")
    for document in stored:
        digest = await asyncio.to_thread(_sha256, expected[document["id"]].file().pieces())
        served = hashlib.sha256()
        async with bench.http.stream("GET", document["download_url"]) as response:
            async for chunk in response.raise_for_status().aiter_bytes():
                served.update(chunk)
        if {digest, document["sha256"]} != {served.hexdigest()}:
            raise CannotMeasure("The bytes of a document differ from the court's.")


def _sha256(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
