"""The program that opens one PDF from its standard input and prints INTACT, REPAIRED or BROKEN.

``adapters.content.pdf_inspection`` runs it in the sandbox. A PDF may be crafted to exhaust whatever opens it.
"""

from __future__ import annotations

import io
import os

import pikepdf

_END = b"%%EOF"
_START_OF_TABLE = b"startxref"


def inspect(body: bytes) -> str:
    """Return whether a PDF opens: as it is (bytes after its end are ignored), after a repair, or not at all."""
    if _opens(_cut_after_end(body), repair=False):
        return "INTACT"
    return "REPAIRED" if _opens(body, repair=True) else "BROKEN"


def _cut_after_end(body: bytes) -> bytes:
    """Cut off everything after the last end marker or, without one, after the last cross-reference offset."""
    end = body.rfind(_END)
    if end >= 0:
        return body[: end + len(_END)] + b"\n"
    table = body.rfind(_START_OF_TABLE)
    if table < 0:
        return body
    # "startxref", a line break, a number, a line break.
    line_end = body.find(b"\n", table + len(_START_OF_TABLE) + 2)
    return body if line_end < 0 else body[: line_end + 1] + _END + b"\n"


def _opens(body: bytes, *, repair: bool) -> bool:
    try:
        with pikepdf.open(io.BytesIO(body), attempt_recovery=repair, suppress_warnings=True) as pdf:
            # A truncated file may open too, but with fewer pages than it states.
            return 0 < len(pdf.pages) == int(pdf.Root.Pages.Count)
    except pikepdf.PasswordError:
        # It is intact: whoever knows the password can open it.
        return True
    except (pikepdf.PdfError, AttributeError, KeyError, TypeError, ValueError, RuntimeError, MemoryError):
        return False


def main() -> None:
    """Inspect the PDF on standard input."""
    with os.fdopen(0, "rb") as pdf_file:
        print(inspect(pdf_file.read()))  # noqa: T201 - the result.
