"""How everything is printed: lines, tables, JSON, times. Nothing that a terminal could obey gets through.

Names, codes and texts come from a server, which got them from a court or from whoever filed a document. So each
line that the commands print passes ``printable``, and Rich gets ``rich_text`` instead of strings.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from autos_client_cli.texts import t

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.text import Text


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line, whatever the text holds.

    Args:
        text: The line.
        err: Print on standard error.
    """
    typer.echo(printable(text), err=err)


def print_lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines, whose parts from a server are ``printable`` already."""
    for line in text.split("\n"):
        print_line(line, err=err)


def print_json(value: Any) -> None:
    """Print a value as one line of JSON. What a terminal could obey is escaped; without UTF-8, all but ASCII is."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    text = json.dumps(value, ensure_ascii=not is_utf8)
    # Escaped, they are the same JSON.
    typer.echo("".join(each if each.isprintable() or _is_blank(each) else json.dumps(each)[1:-1] for each in text))


def print_json_lines(answers: Iterable[BaseModel]) -> None:
    """Print each answer as one line of JSON."""
    for answer in answers:
        print_json(answer.model_dump(mode="json"))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows in aligned columns. The first row is the headings."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    for row in shown:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """Return text as one line, with every character replaced that a terminal could obey.

    Those are control characters, escape sequences, line breaks, and marks that change the direction of text.
    """
    return "".join(each if each.isprintable() else " " if _is_blank(each) else "\ufffd" for each in text)


def rich_text(text: str, *, style: str = "") -> Text:
    """Return text for Rich, which would read a string as markup: colours, links and emoji."""
    from rich.text import Text

    return Text(printable(text), style)


def local_time(moment: datetime | None) -> str:
    """Return a time in this machine's time zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z") if moment else t("an unknown time")


def replace_what_encodings_lack() -> None:
    """Have standard output and standard error escape what their encoding cannot write, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_blank(character: str) -> bool:
    # Not all of these are printable for Python, but a terminal obeys none.
    return unicodedata.category(character) == "Zs"
