"""Opening PDFs with qpdf (pikepdf), in a subprocess with resource limits because the bytes are untrusted."""

from __future__ import annotations

import asyncio
from typing import IO

import structlog

from adapters.sandbox import Limits, run_in_sandbox
from domain.content import PdfCondition

_PROGRAM = "adapters.content.pdf_inspection_program"
_LIMITS = Limits(memory_bytes=1024**3, cpu_seconds=20, wall_seconds=30)

_log = structlog.get_logger()


class PdfInspector:
    """Inspects one PDF at a time. Few PDFs need it: those with a doubtful size or end marker."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Semaphore(1)

    async def inspect(self, file: IO[bytes]) -> PdfCondition:
        """Return whether a PDF opens. One that takes too much time or memory counts as broken.

        Args:
            file: The PDF, from its first byte. It must have a file descriptor, or get one by ``fileno()``.
        """
        # A spooled file moves to disk when its descriptor is requested.
        descriptor = file.fileno()
        file.flush()
        file.seek(0)
        async with self._one_at_a_time:
            ended = await run_in_sandbox(_PROGRAM, limits=_LIMITS, stdin=descriptor)
        try:
            return PdfCondition[ended.output.decode().strip()]
        except (KeyError, UnicodeDecodeError):
            _log.warning("PDF could not be inspected", reason=ended.reason)
            return PdfCondition.BROKEN
