"""Conversion of documents that are no PDF, each in a process of its own with limits."""

from __future__ import annotations

import errno
import os
import shutil
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from adapters.sandbox import Limits, run_in_sandbox
from domain.bundle_contents import OmissionReason
from domain.errors import BundleNotBuilt
from domain.media_types import bare_media_type

_PROGRAM = "adapters.bundles.conversion_program"
_MIB = 1024**2
_LIMITS = Limits(memory_bytes=1024 * _MIB, cpu_seconds=60, wall_seconds=120, file_bytes=512 * _MIB)
# Text and HTML are parsed as a whole; images are bounded by their pixels too.
_MAX_TEXT_BYTES = 8 * _MIB
_MAX_IMAGE_BYTES = 256 * _MIB
# With less than this, a conversion that fails has probably failed for lack of room.
_NEARLY_FULL_BYTES = 16 * _MIB

_log = structlog.get_logger()


class Method(StrEnum):
    """How a document is converted."""

    HTML = "html"
    HTML_TEXT = "html_text"
    RTF = "rtf"
    TEXT = "text"
    IMAGE = "image"


async def convert(source: Path, media_type: str, output: Path, scratch: Path) -> OmissionReason | None:
    """Convert a document to a PDF. Returns why there is none, or None if there is one.

    Args:
        source: The document's bytes, which may be hostile. An absolute path, as the others.
        media_type: Their media type. `domain.bundle_contents.needs_conversion` says which ones are converted.
        output: Where to write the PDF.
        scratch: A folder for intermediate files. The conversion leaves nothing there.

    Raises:
        BundleNotBuilt: The conversion was interrupted, as when services are stopped.
        OSError: The disk is full.
    """
    methods = _methods(media_type)
    if reason := _reason_before(source, methods):
        return reason
    for method in methods:
        if (reason := await _convert(source, method, output, scratch)) is None:
            return None
    return reason


def _reason_before(source: Path, methods: tuple[Method, ...]) -> OmissionReason | None:
    """Return why a document need not even be tried."""
    if not methods:
        return OmissionReason.UNSUPPORTED
    size_bytes = source.stat().st_size
    if size_bytes == 0:
        return OmissionReason.EMPTY
    most = _MAX_IMAGE_BYTES if methods == (Method.IMAGE,) else _MAX_TEXT_BYTES
    return OmissionReason.TOO_LARGE if size_bytes > most else None


async def _convert(source: Path, method: Method, output: Path, scratch: Path) -> OmissionReason | None:
    with TemporaryDirectory(dir=scratch) as folder:
        written = Path(folder) / "converted.pdf"
        ended = await run_in_sandbox(
            _PROGRAM, method, str(source), str(written), limits=_LIMITS, folder=Path(folder)
        )
        answer = ended.output.decode(errors="replace").strip()
        if ended.succeeded and answer == "converted":
            written.replace(output)
            return None
        # Neither says anything about the document, and its reason would be kept.
        if ended.interrupted:
            raise BundleNotBuilt("The conversion of a document was interrupted. It is tried again.")
        if answer not in set(OmissionReason) and shutil.disk_usage(scratch).free < _NEARLY_FULL_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _log.info("document not converted", method=method, reason=ended.reason or answer[:200])
    return OmissionReason(answer) if answer in set(OmissionReason) else OmissionReason.NOT_CONVERTED


def _methods(media_type: str) -> tuple[Method, ...]:
    """Return the ways to convert a media type, the best one first."""
    kind = bare_media_type(media_type)
    if kind in ("text/html", "application/xhtml+xml"):
        # The text alone, where WeasyPrint's libraries are missing or the page exceeds the limits.
        return Method.HTML, Method.HTML_TEXT
    if kind in ("application/rtf", "text/rtf"):
        return (Method.RTF,)
    if kind.startswith("image/"):
        return (Method.IMAGE,)
    return (Method.TEXT,) if kind.startswith("text/") else ()
