"""A single PDF of 500 MB becomes a bundle with all of it inside, in little memory if no page is so large."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pikepdf
import psutil
import pytest

from adapters.bundles.pdf import build_pdf
from domain.bundle_contents import Piece
from tests.support.bundle_pieces import cover_facts

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

SIZE_BYTES = 500 * 1000**2
MIB = 1024**2
BLOCK = b"x" * MIB
IDLE = "import adapters.bundles.building_program, psutil; print(psutil.Process().memory_info().rss)"
IMAGE = (
    "/Type /XObject /Subtype /Image /Filter /DCTDecode /Width 1240 /Height 1754 /ColorSpace /DeviceGray"
    " /BitsPerComponent 8"
)
DRAWING = b"q 595 0 0 842 0 0 cm /Im Do Q"


def write_large_pdf(path: Path, pages: int) -> None:
    """Write a PDF with images of 500 MB altogether, one on each page, block by block."""
    places: list[int] = []
    image_bytes = SIZE_BYTES // pages
    kids = " ".join(f"{3 + 3 * index} 0 R" for index in range(pages))
    with path.open("wb") as file:

        def write_object(keys: str, stream: Sequence[bytes] = ()) -> None:
            places.append(file.tell())
            file.write(f"{len(places)} 0 obj\n<< {keys} >>\n".encode())
            if stream:
                file.write(b"stream\n")
                file.writelines(stream)
                file.write(b"\nendstream\n")
            file.write(b"endobj\n")

        file.write(b"%PDF-1.7\n")
        write_object("/Type /Catalog /Pages 2 0 R")
        write_object(f"/Type /Pages /Kids [{kids}] /Count {pages}")
        for index in range(pages):
            drawing, image = f"{4 + 3 * index} 0 R", f"{5 + 3 * index} 0 R"
            write_object(
                f"/Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {drawing}"
                f" /Resources << /XObject << /Im {image} >> >>"
            )
            write_object(f"/Length {len(DRAWING)}", [DRAWING])
            blocks = [BLOCK[: image_bytes - begin] for begin in range(0, image_bytes, len(BLOCK))]
            write_object(f"{IMAGE} /Length {image_bytes}", blocks)
        table = file.tell()
        file.write(f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode())
        file.writelines(f"{place:010d} 00000 n \n".encode() for place in places)
        file.write(f"trailer\n<< /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode())


def count_image_bytes(path: Path) -> int:
    """Return how many of the bytes of the images are inside a PDF, which stores them as they are."""
    with pikepdf.open(path, access_mode=pikepdf.AccessMode.stream) as pdf:
        streams = (image for page in pdf.pages for image in page.get_images().values())
        return sum(bytes(image.get_raw_stream_buffer()).count(b"x") for image in streams)


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
    await asyncio.to_thread(write_large_pdf, source, pages)
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
