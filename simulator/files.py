"""The bytes of documents: valid files of any size, generated in chunks so that no file is held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

PDF = "application/pdf"
HTML = "text/html"
RTF = "text/richtext"
PLAIN = "text/plain"

CHUNK = 256 * 1024
"""Files up to this size are sent in one piece, larger ones in pieces of this size."""

MIN_FORMATTED_BYTES = 1024
"""A smaller file cannot hold the skeleton of any format, and is plain text."""

# Files differ in their heads and tails. Their middle is cut from these blocks, which are created once.
_NOISE = hashlib.shake_256(b"autos simulator").digest(CHUNK)
_LINE = b"Vistos, relatados e discutidos estes autos sinteticos, que nao dizem respeito a ninguem.\n"
_PROSE = (_LINE * (CHUNK // len(_LINE) + 1))[:CHUNK]


@dataclass(frozen=True, slots=True)
class File:
    """A head, ``padding`` bytes of the block ``filler`` repeated, and a tail."""

    head: bytes
    filler: bytes = b""
    padding: int = 0
    tail: bytes = b""

    def __len__(self) -> int:
        return len(self.head) + self.padding + len(self.tail)

    def pieces(self, length: int | None = None, step: int = CHUNK) -> Iterator[bytes]:
        """Yield the first ``length`` bytes (all of them by default), at most ``step`` bytes at a time."""
        left = len(self) if length is None else min(length, len(self))
        for part in self._parts():
            part = part[:left]
            left -= len(part)
            for start in range(0, len(part), step):
                yield part[start : start + step]

    def _parts(self) -> Iterator[bytes]:
        if len(self) <= CHUNK:
            yield b"".join((self.head, memoryview(self.filler)[: self.padding], self.tail))
            return
        yield self.head
        for _ in range(self.padding // CHUNK):
            yield self.filler
        yield self.filler[: self.padding % CHUNK]
        yield self.tail


def make_file(media_type: str, *, title: str, seed: str, pages: int, size: int) -> File:
    """Create a valid file of exactly ``size`` bytes. Files with different seeds differ.

    Args:
        media_type: one of this module's types; only ``PLAIN`` below ``MIN_FORMATTED_BYTES``.
        title: shown in the file.
        seed: hexadecimal digits; a file shorter than its seed has the seed's beginning.
        pages: number of pages of a PDF.
        size: in bytes.

    Raises:
        ValueError: the type is unknown.
    """
    match media_type:
        case "application/pdf":
            return _pdf(title, seed, pages, size)
        case "text/html":
            head = f'<div class="documento" id="{seed}">\n<h1>{title}</h1>\n<p>Cuiabá, às doze horas.</p>\n<p>'
            return _pad(head.encode(), _PROSE, b"</p>\n</div>\n", size)
        case "text/richtext":
            head = (
                f"{{\\rtf1\\ansi\\deff0{{\\fonttbl{{\\f0 Times New Roman;}}}}\\f0\\fs24 {title}\\par {seed}\\par\n"
            )
            return _pad(head.encode(), _PROSE, b"\\par}\n", size)
        case "text/plain":
            head = f"{seed}\n{title}\n"
            return _pad(head.encode()[:size], _PROSE, b"", size)
        case _:
            raise ValueError(f"the simulator cannot create {media_type}")


def _pad(head: bytes, filler: bytes, tail: bytes, size: int) -> File:
    return File(head, filler, size - len(head) - len(tail), tail)


def _pdf(title: str, seed: str, pages: int, size: int) -> File:
    text = f"BT /F1 12 Tf 60 760 Td ({title}) Tj 0 -20 Td ({seed}) Tj ET"
    kids = " ".join(f"{number} 0 R" for number in range(5, 5 + pages))
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Length {len(text)}>>\nstream\n{text}\nendstream",
        *([page] * pages),
    ]
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    entries = ["0000000000 65535 f \n"]
    for number, content in enumerate(objects, start=1):
        entries.append(f"{len(body):010} 00000 n \n")
        body += f"{number} 0 obj\n{content}\nendobj\n".encode("ascii")
    entries.append(f"{len(body):010} 00000 n \n")
    count = len(entries)
    table = f"xref\n0 {count}\n{''.join(entries)}trailer\n<</Size {count}/Root 1 0 R/ID[<{seed}><{seed}>]>>\n"

    # The padding's length and the table's offset have ten digits each, so that writing them shifts no bytes.
    def around_padding(padding: int) -> tuple[bytes, bytes]:
        stream = f"{count - 1} 0 obj\n<</Length {padding:010}>>\nstream\n".encode("ascii")
        close = "\nendstream\nendobj\n"
        offset = len(body) + len(stream) + padding + len(close)
        return stream, f"{close}{table}startxref\n{offset:010}\n%%EOF\n".encode("ascii")

    padding = size - len(body) - sum(map(len, around_padding(0)))
    stream, tail = around_padding(padding)
    return File(bytes(body) + stream, _NOISE, padding, tail)
