"""The program that opens one PDF from its standard input and prints INTACT, REPAIRED or BROKEN.

Run by ``adapters.pdf_inspection`` with nothing of ours importable. A PDF may be made to exhaust whoever opens it.
"""

from __future__ import annotations

import io
import os
import resource

import pikepdf

_MEMORY_BYTES = 1024**3
_PROCESSOR_SECONDS = 20
_END = b"%%EOF"
_START_OF_TABLE = b"startxref"


def condition_of(body: bytes) -> str:
    """Say whether a PDF opens: as it is but for bytes behind its end, after a repair, or not at all."""
    if _opens(_without_rest(body), repair=False):
        return "INTACT"
    return "REPAIRED" if _opens(body, repair=True) else "BROKEN"


def _without_rest(body: bytes) -> bytes:
    """Cut off what follows the last end mark, or, without one, the last place of the table."""
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
            # A part of a file may open, too, but with fewer pages than it counts.
            return 0 < len(pdf.pages) == int(pdf.Root.Pages.Count)
    except pikepdf.PasswordError:
        # It can be opened, by whoever knows its password.
        return True
    except (pikepdf.PdfError, AttributeError, KeyError, TypeError, ValueError, RuntimeError, MemoryError):
        return False


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_SECONDS, _PROCESSOR_SECONDS))
    with os.fdopen(0, "rb") as given:
        print(condition_of(given.read()))  # noqa: T201 - its answer.
