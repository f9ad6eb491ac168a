"""Paths of the repository that tests need."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CLI = ROOT / "cli" / "main.py"
