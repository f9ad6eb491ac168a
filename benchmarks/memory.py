"""The worker's memory while large documents flow through it, above what it needs at rest.

Measured is the resident memory of the worker's process, which a thread reads while a run lasts, less what it was
before the first run. That is why there is a stack for these rows alone: a worker that has done other work has more
at rest. Afterwards the catalog must name the very digests of what the simulated court made, and the links must lead
to those bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterable, Sequence

import psutil

from benchmarks.bench import Bench, open_bench
from benchmarks.measurement import ROUNDS, CannotMeasure, Figure, Round
from domain.process_number import ProcessNumber
from simulator.case import Shape, case

MIB = 1024**2
ONE_BYTES = 1024 * MIB
MANY = 4
MANY_BYTES = 256 * MIB
_WARM_UP_BYTES = 10 * MIB
_SAMPLE_SECONDS = 0.01


class Resident:
    """The most memory that a process has had resident since the block was entered, in bytes."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = threading.Event()
        self.peak = 0

    def __enter__(self) -> Resident:
        """Begin to look."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, self._process.memory_info().rss)


async def one_document(bench: Bench) -> Sequence[Round]:
    """One document of a gibibyte."""
    return await _measure(bench, 1, ONE_BYTES)


async def documents_at_once(bench: Bench) -> Sequence[Round]:
    """Several large documents of one process, which are downloaded at the same time."""
    return await _measure(bench, MANY, MANY_BYTES)


async def _measure(bench: Bench, documents: int, size_bytes: int) -> Sequence[Round]:
    rounds = []
    async with open_bench() as fresh:
        # What the first document of all makes the worker load is not the price of a large one.
        await fresh.run(await fresh.new_process(1, _WARM_UP_BYTES))
        idle = fresh.worker.memory_info().rss
        for index in range(ROUNDS):
            number = await fresh.new_process(documents, size_bytes)
            with Resident(fresh.worker) as resident:
                seconds = await fresh.run(number)
            await _check(fresh, number, documents, size_bytes)
            rounds.append(Round(Figure((resident.peak - idle) / MIB, "MiB")))
            bench.say(
                f"round {index + 1} of {ROUNDS}: {rounds[-1].ours} above {idle / MIB:.0f} MiB, "
                f"{documents * size_bytes / MIB / seconds:.0f} MiB/s"
            )
    return rounds


async def _check(bench: Bench, number: str, documents: int, size_bytes: int) -> None:
    shape = Shape(documents=documents, size_bytes=size_bytes)
    made = case(ProcessNumber.parse(number), shape).by_id
    stored = (await bench.get(f"/processes/{number}"))["documents"]
    if made.keys() != {document["id"] for document in stored if document["status"] == "available"}:
        raise CannotMeasure(f"Not every one of {documents} documents of {size_bytes} bytes is available.")
    for document in stored:
        digest = await asyncio.to_thread(_sha256, made[document["id"]].file().pieces())
        linked = hashlib.sha256()
        async with bench.http.stream("GET", document["download_url"]) as answer:
            async for chunk in answer.raise_for_status().aiter_bytes():
                linked.update(chunk)
        if {digest, document["sha256"]} != {linked.hexdigest()}:
            raise CannotMeasure("A document has other bytes than the court's.")


def _sha256(pieces: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
