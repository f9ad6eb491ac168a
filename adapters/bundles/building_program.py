"""The program that builds one PDF. `adapters.bundles.pdf` runs it in the sandbox, because it parses untrusted PDFs.

It prints lines of JSON: the index of a file before it is inspected, so that a file that kills the program is known,
and what was found after it. The last line is the result, or the kind of the error.
"""

from __future__ import annotations

import json
import pickle
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from adapters.bundles.assembly import assemble
from adapters.bundles.entries import Entry, Finding
from adapters.bundles.inspection import inspect
from adapters.bundles.order import Order
from domain.bundle_contents import Piece

# Of one file. Large ones need a second.
_INSPECTION_CPU_SECONDS = 20


def main(order_file: str) -> None:
    """Build the PDF that a file describes."""
    # Written by the process that started this one.
    order: Order = pickle.loads(Path(order_file).read_bytes())  # noqa: S301
    try:
        entries = [Entry(piece, _look_at(order, index, piece)) for index, piece in enumerate(order.pieces)]
        built = assemble(order.facts, entries, order.output, order.scratch)
    except Exception as error:  # noqa: BLE001 - it is told to the other process, which raises.
        _print({"failed": type(error).__name__})
        sys.exit(1)
    _print({"built": asdict(built)})


def _look_at(order: Order, index: int, piece: Piece) -> Finding:
    if piece.path is None:
        return Finding(reason=piece.omitted)
    if known := order.findings.get(index):
        return known
    _print({"inspecting": index})
    # Ends the program if it fires.
    signal.setitimer(signal.ITIMER_PROF, _INSPECTION_CPU_SECONDS)
    finding = inspect(piece.path)
    signal.setitimer(signal.ITIMER_PROF, 0)
    _print({"index": index, "finding": asdict(finding)})
    return finding


def _print(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - what the other process reads.
