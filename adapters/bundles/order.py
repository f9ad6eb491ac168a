"""What the building process is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.bundles.entries import Finding
from domain.bundle_contents import CoverFacts, Piece


@dataclass(frozen=True, slots=True)
class Order:
    """What to build.

    Attributes:
        findings: What is known of pieces already, by index.
    """

    facts: CoverFacts
    pieces: Sequence[Piece]
    findings: dict[int, Finding]
    output: Path
    scratch: Path
