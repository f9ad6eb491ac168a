"""Writes a report into the READMEs, between two markers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurement import CannotMeasure
from benchmarks.report import merge, render
from benchmarks.report_words import ENGLISH, PORTUGUESE

BEGIN = "<!-- Begin: written by `python -m benchmarks --readme`. -->"
END = "<!-- End: written by `python -m benchmarks --readme`. -->"
# The forty questions of a large catalog are for whoever measures them.
_MOST_PARTS = 8
_ROOT = Path(__file__).resolve().parent.parent
READMES = {_ROOT / "README.md": ENGLISH, _ROOT / "README.pt-BR.md": PORTUGUESE}


def write_readmes(files: Sequence[Path]) -> None:
    """Write what ``--json`` has printed into both READMEs.

    Args:
        files: The printed objects. Of several, the later ones fill the rows that the first has not measured.

    Raises:
        CannotMeasure: A file has no such object, or a README has no markers.
    """
    try:
        report = merge([json.loads(file.read_text()) for file in files])
    except (ValueError, KeyError) as error:
        raise CannotMeasure(f"A file is not what `python -m benchmarks --json` prints: {error}") from None
    for readme, words in READMES.items():
        before, _, after = split(readme.read_text())
        readme.write_text(f"{before}{BEGIN}\n\n{render(report, words, most_parts=_MOST_PARTS)}\n\n{END}{after}")


def split(text: str) -> tuple[str, str, str]:
    """Return what stands before the first marker, between both, and after the second one.

    Raises:
        CannotMeasure: The markers are not both there.
    """
    before, begin, rest = text.partition(BEGIN)
    between, end, after = rest.partition(END)
    if not begin or not end:
        raise CannotMeasure(f"There are no markers: {BEGIN} and {END}")
    return before, between.strip("\n"), after
