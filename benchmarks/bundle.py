"""One PDF of a whole process against the bare merge of the same files by qpdf, and the memory that it takes.

Both are timed as what a worker waits for: a program of its own, from its start to its end. The bare merge writes a
PDF without cover, table, bookmarks, footers and digest. The memory is the peak of the building program minus that
of a program that has only loaded its modules.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pikepdf
import psutil
from pikepdf import Dictionary, Name

from adapters.bundles.pdf import build_pdf
from benchmarks.bench import Bench
from benchmarks.measurement import ROUNDS, CannotMeasure, Figure, Round, measure_rounds
from domain.bundle_contents import CoverFacts, Piece

DOCUMENTS = 300
PAGES = 10
_IMAGE_BYTES = 196_000
_MIB = 1024**2
_SAMPLE_SECONDS = 0.01
_PROGRAM = "adapters.sandbox_program"
_MERGE = "import pikepdf, sys; pikepdf.Job(['qpdf', '--empty', '--pages', *sys.argv[2:], '--', sys.argv[1]]).run()"
_IDLE = "import adapters.bundles.building_program, psutil; print(psutil.Process().memory_info().rss)"


async def time_against_merge(bench: Bench) -> Sequence[Round]:
    """Measure the time of one PDF against the bare merge."""
    async with _pieces(bench) as (pieces, folder):

        async def ours() -> Figure:
            started = time.perf_counter()
            await _build(pieces, folder)
            return Figure(time.perf_counter() - started, "s")

        async def merge() -> Figure:
            started = time.perf_counter()
            await _run("-I", "-c", _MERGE, str(folder / "merged.pdf"), *(str(piece.path) for piece in pieces))
            return Figure(time.perf_counter() - started, "s")

        # Afterwards the files are in the page cache, for both.
        await ours()
        return await measure_rounds(ours, merge, bench.log)


async def peak_memory(bench: Bench) -> Sequence[Round]:
    """Measure the peak memory of building one PDF, above that of the program without work."""
    rounds = []
    async with _pieces(bench) as (pieces, folder):
        idle = int(await _run("-I", "-c", _IDLE))
        for index in range(ROUNDS):
            watching = asyncio.create_task(_watch_peak())
            await _build(pieces, folder)
            watching.cancel()
            peak = (await asyncio.gather(watching))[0]
            rounds.append(Round(Figure((peak - idle) / _MIB, "MiB")))
            bench.log(f"round {index + 1} of {ROUNDS}: {rounds[-1].ours} above {idle / _MIB:.0f} MiB")
    return rounds


async def _watch_peak() -> int:
    """Return the highest RSS of the building program, when cancelled."""
    peak, ours = 0, psutil.Process()
    try:
        while True:
            for child in ours.children():
                try:
                    if _PROGRAM in child.cmdline():
                        peak = max(peak, child.memory_info().rss)
                except psutil.Error:
                    continue
            await asyncio.sleep(_SAMPLE_SECONDS)
    except asyncio.CancelledError:
        return peak


async def _build(pieces: Sequence[Piece], folder: Path) -> None:
    facts = CoverFacts("1011745-77.2025.8.11.0041", "TJMT", None, len(pieces))
    built = await build_pdf(facts, pieces, folder / "autos.pdf", folder)
    if built.omissions or sum(place.count for place in built.ranges) != DOCUMENTS * PAGES:
        raise CannotMeasure("The PDF does not have all pages.")


async def _run(*arguments: str) -> bytes:
    program = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await program.communicate()
    if program.returncode:
        raise CannotMeasure("The baseline failed.")
    return output


@asynccontextmanager
async def _pieces(bench: Bench) -> AsyncIterator[tuple[list[Piece], Path]]:
    """Write the documents: each page has an image that is compressed already, as scans are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench.log(f"writing {DOCUMENTS} PDFs of {PAGES} pages")
        yield (
            await asyncio.to_thread(lambda: [_write(folder, number) for number in range(1, DOCUMENTS + 1)]),
            folder,
        )


def _write(folder: Path, number: int) -> Piece:
    path = folder / f"{number:04}.pdf"
    noise = random.Random(number)  # noqa: S311 - the bytes are no secret.
    with pikepdf.new() as pdf:
        for _ in range(PAGES):
            page = pdf.add_blank_page(page_size=(595, 842))
            image = pdf.make_stream(
                noise.randbytes(_IMAGE_BYTES),
                Dictionary(
                    Type=Name.XObject,
                    Subtype=Name.Image,
                    Filter=Name.DCTDecode,
                    Width=1240,
                    Height=1754,
                    ColorSpace=Name.DeviceGray,
                    BitsPerComponent=8,
                ),
            )
            page.obj.Resources = Dictionary(XObject=Dictionary(Im=image))
            page.obj.Contents = pdf.make_stream(b"q 595 0 0 842 0 0 cm /Im Do Q")
        pdf.save(path)
    body = path.read_bytes()
    return Piece(
        document_id=f"document-{number}",
        position=number,
        instance="1° Grau",
        name=f"Petição nº {number}",
        media_type="application/pdf",
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        path=path,
    )
