"""Opening PDFs with qpdf (pikepdf), in a subprocess with resource limits because the bytes are untrusted."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

from domain.content import PdfCondition

_PROGRAM = Path(__file__).with_name("pdf_inspection_program.py")
_TIMEOUT_SECONDS = 30.0

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
            inspector = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_PROGRAM)),
                stdin=descriptor,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    output, _ = await inspector.communicate()
            except TimeoutError:
                output = b""
            finally:
                with suppress(ProcessLookupError):
                    inspector.kill()
                await inspector.wait()
        try:
            return PdfCondition[output.decode().strip()]
        except (KeyError, UnicodeDecodeError):
            _log.warning("PDF could not be inspected", status=inspector.returncode)
            return PdfCondition.BROKEN
