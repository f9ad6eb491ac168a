"""PDFs of any size, which are not held in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pikepdf

BLOCK = b"x" * 1024**2
IMAGE = (
    "/Type /XObject /Subtype /Image /Filter /DCTDecode /Width 1240 /Height 1754 /ColorSpace /DeviceGray"
    " /BitsPerComponent 8"
)
DRAWING = b"q 595 0 0 842 0 0 cm /Im Do Q"


def write_large_pdf(path: Path, pages: int, size_bytes: int) -> None:
    """Write a PDF with images of so many bytes altogether, one on each page, block by block."""
    places: list[int] = []
    image_bytes = size_bytes // pages
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
