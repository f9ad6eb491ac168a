"""How answers are printed: JSON lines, tables, times, and text from others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from autos_client_cli.texts import t

if TYPE_CHECKING:
    from pydantic import BaseModel


def print_json_lines(answers: Iterable[BaseModel]) -> None:
    """Print each answer as one line of JSON."""
    for answer in answers:
        typer.echo(json.dumps(answer.model_dump(mode="json"), ensure_ascii=False))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns. The first row is the headings."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """Return text from others with every character replaced that a terminal could obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def local_time(moment: datetime | None) -> str:
    """Return a time in this machine's time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else t("an unknown time")
