"""Whether a PDF opens, by qpdf (pikepdf), in a service of its own with limits: the bytes are a stranger's."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import structlog

from domain.content import PdfCondition

_PROGRAM = Path(__file__).with_name("pdf_inspection_program.py")
_SECONDS = 30.0

_log = structlog.get_logger()


class PdfInspector:
    """Inspects one PDF at a time. Few need it: those whose size or end mark leaves a doubt."""

    def __init__(self) -> None:
        self._one_at_a_time = asyncio.Semaphore(1)

    async def inspect(self, file: IO[bytes]) -> PdfCondition:
        """Return whether a PDF opens. One that takes too much time or memory counts as broken.

        Args:
            file: The PDF, from its first byte; a file that the operating system knows, or one that can become so.
        """
        # A spooled file moves to the disk when it is asked for its descriptor.
        descriptor = file.fileno()
        file.flush()
        file.seek(0)
        async with self._one_at_a_time:
            service = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(_PROGRAM)),
                stdin=descriptor,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
            )
            try:
                async with asyncio.timeout(_SECONDS):
                    said, _ = await service.communicate()
            except TimeoutError:
                said = b""
            finally:
                with suppress(ProcessLookupError):
                    service.kill()
                await service.wait()
        try:
            return PdfCondition[said.decode().strip()]
        except (KeyError, UnicodeDecodeError):
            _log.warning("PDF could not be inspected", status=service.returncode)
            return PdfCondition.BROKEN
