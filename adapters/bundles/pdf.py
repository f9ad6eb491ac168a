"""One PDF of all pieces: inspected one by one, then merged, stamped and bookmarked, in a process with limits."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from adapters.bundles.entries import Finding
from adapters.bundles.order import Order
from adapters.sandbox import Ended, Limits, run_in_sandbox
from domain.bundle_contents import BuiltPdf, CoverFacts, Omission, OmissionReason, PageRange, Piece
from domain.errors import BundleNotBuilt

_PROGRAM = "adapters.bundles.building_program"
_MEMORY_BYTES = 2 * 1024**3
# Of a slow disk and a busy CPU.
_BYTES_PER_SECOND = 4 * 1024**2
_SECONDS_PER_PIECE = 0.5
_SPARE_SECONDS = 120
_SPARE_BYTES = 256 * 1024**2
# Each of them costs two more starts.
_MAX_KILLING_FILES = 20
_KILLS = 2

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Report:
    """What the building program said.

    Attributes:
        built: The result.
        inspecting: Index of the last file that it began to inspect.
        failed: The kind of the error that ended it.
    """

    built: BuiltPdf | None = None
    inspecting: int | None = None
    failed: str = ""


async def build_pdf(facts: CoverFacts, pieces: Sequence[Piece], output: Path, scratch: Path) -> BuiltPdf:
    """Build one PDF of pieces, in their order. A piece that cannot be merged has a page that says why.

    Args:
        facts: What the cover says.
        pieces: The chosen documents. Those that are no PDF have been converted.
        output: Where to write the PDF.
        scratch: A folder for intermediate files. The caller deletes it.

    Raises:
        BundleNotBuilt: The building process failed or exceeded its limits.
    """
    limits = _limits(pieces)
    findings: dict[int, Finding] = {}
    kills = Counter[int]()
    while True:
        order_file = scratch / "order.pickle"
        order_file.write_bytes(pickle.dumps(Order(facts, tuple(pieces), findings, output, scratch)))
        ended = await run_in_sandbox(_PROGRAM, str(order_file), limits=limits, folder=scratch)
        report = _read_report(ended, findings, len(pieces))
        if report.built:
            return report.built
        suspect = report.inspecting
        if suspect is None or suspect in findings or len(kills) > _MAX_KILLING_FILES:
            break
        # It was inspecting this file when it ended. Once may be chance: the machine's memory was full.
        kills[suspect] += 1
        _log.warning("PDF ended the inspection", document=pieces[suspect].document_id, reason=ended.reason)
        if kills[suspect] >= _KILLS:
            findings[suspect] = Finding(reason=OmissionReason.DAMAGED)
    reason = report.failed or ended.reason
    _log.error("PDF of a process not built", process=facts.number, reason=reason)
    raise BundleNotBuilt(f"The documents could not be merged: {reason}.")


def _limits(pieces: Sequence[Piece]) -> Limits:
    total = sum(piece.path.stat().st_size for piece in pieces if piece.path is not None)
    seconds = _SPARE_SECONDS + total / _BYTES_PER_SECOND + len(pieces) * _SECONDS_PER_PIECE
    return Limits(
        memory_bytes=_MEMORY_BYTES,
        cpu_seconds=int(seconds),
        wall_seconds=2 * seconds,
        file_bytes=2 * total + _SPARE_BYTES,
    )


def _read_report(ended: Ended, findings: dict[int, Finding], pieces: int) -> _Report:
    """Return what the program said, and take note of its findings."""
    report = _Report()
    for text in ended.output.splitlines():
        try:
            line: dict[str, Any] = json.loads(text)
        except ValueError:
            # It was killed while it wrote.
            return report
        if "built" in line:
            return _Report(built=_read_result(line["built"]) if ended.succeeded else None)
        if "failed" in line:
            report = replace(report, failed=str(line["failed"]))
        elif "inspecting" in line and 0 <= line["inspecting"] < pieces:
            report = replace(report, inspecting=line["inspecting"])
        elif "index" in line and 0 <= line["index"] < pieces:
            found = line["finding"]
            reason = OmissionReason(found["reason"]) if found["reason"] else None
            findings[line["index"]] = Finding(found["pages"], found["repaired"], reason)
    return report


def _read_result(built: dict[str, Any]) -> BuiltPdf:
    return BuiltPdf(
        built["pages"],
        built["size_bytes"],
        tuple(PageRange(**each) for each in built["ranges"]),
        tuple(Omission(**each | {"reason": OmissionReason(each["reason"])}) for each in built["omissions"]),
    )
