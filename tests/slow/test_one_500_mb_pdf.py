"""A single PDF of 500 MB becomes a bundle with all of it inside, in little memory if no page is so large."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from adapters.bundles.pdf import build_pdf
from domain.bundle_contents import Piece
from tests.support.bundle_pieces import cover_facts
from tests.support.large_pdfs import count_image_bytes, write_large_pdf

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SIZE_BYTES = 500 * 1000**2
MIB = 1024**2
IDLE = "import adapters.bundles.building_program, psutil; print(psutil.Process().memory_info().rss)"


@asynccontextmanager
async def watching_memory() -> AsyncIterator[list[int]]:
    """Collect the RSS of the building program, every few milliseconds while the block runs."""
    seen: list[int] = [0]

    async def watch() -> None:
        while True:
            for child in psutil.Process().children():
                try:
                    if "adapters.bundles.building_program" in child.cmdline():
                        seen.append(child.memory_info().rss)
                except psutil.Error:
                    continue
            # Nobody tells how much memory a program has taken.
            await asyncio.sleep(0.005)

    task = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("pages", "most_memory_bytes"),
    [
        pytest.param(500, 150 * MIB, id="pages of 1 MB"),
        # qpdf reads a stream whole, and once more to write it. No scanner makes such a page.
        pytest.param(1, 1024 * MIB, id="one page"),
    ],
)
async def test_a_pdf_of_500_mb_is_inside_its_bundle(tmp_path: Path, pages: int, most_memory_bytes: int) -> None:
    source, output, scratch = tmp_path / "1.pdf", tmp_path / "autos.pdf", tmp_path / "scratch"
    scratch.mkdir()
    await asyncio.to_thread(write_large_pdf, source, pages, SIZE_BYTES)
    idle = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", IDLE, stdout=asyncio.subprocess.PIPE)
    idle_bytes = int((await idle.communicate())[0])
    piece = Piece(
        document_id="00000000-0000-4000-8000-000000000001",
        position=1,
        instance="1° Grau",
        name="Prova",
        media_type="application/pdf",
        size_bytes=source.stat().st_size,
        sha256="ab" * 32,
        path=source,
    )

    async with watching_memory() as seen:
        built = await build_pdf(cover_facts(1), [piece], output, scratch)

    above_idle = max(seen) - idle_bytes
    print(f"{above_idle / MIB:.0f} MiB above {idle_bytes / MIB:.0f} MiB")  # noqa: T201 - the figure.
    assert built.omissions == ()
    assert [place.count for place in built.ranges] == [pages]
    assert await asyncio.to_thread(count_image_bytes, output) == SIZE_BYTES
    assert len(seen) > 1
    assert above_idle <= most_memory_bytes
