"""What can be configured, as documentation: docs/settings.md and .env.example, from ``settings_fields.py``.

``python -m cli.settings_reference`` writes both files (`make settings`). A new setting gets its text, default and
limits in ``settings_fields.py``, and its name in one of the sections in ``cli/settings_sections.py``.
"""

from __future__ import annotations

import json
import re
import textwrap
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cli.settings_sections import SECTIONS, ForeignVariable, Reader, Section
from settings import Settings
from settings_fields import LOCAL_STACK_FIELDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / ".env.example"

_WIDTH = 118
_CODE_SPAN = re.compile(r"`[^`]+`")
# Keeps the words of a code span on one line.
_NO_BREAK = "\0"
_TYPE_NAMES = {
    "bool": "`true` or `false`",
    "int": "integer",
    "float": "number",
    "str": "text",
    "SecretStr": "secret",
    "Path": "path",
    "AnyHttpUrl": "URL",
    "tuple": "list",
    "dict": "JSON object",
}
_LIMIT_SIGNS = (("ge", "≥"), ("gt", ">"), ("le", "≤"))
_LENGTH_WORDS = (("min_length", "at least"), ("max_length", "at most"))

_PAGE_HEAD = """\
# Settings

Written by `make settings` from `settings_fields.py`; change it there. A value comes from the environment, otherwise
from `.env` in the current folder ([`.env.example`](../.env.example) is one to copy), otherwise from its file in
`AUTOS_SECRETS_DIR`, otherwise from the local stack's file, otherwise it is the default. An invalid value is named
when a command starts, which then ends with exit code 2; its text never has the value. Every service reads its
settings once, at its start: restart it after a change.

*Read by* names the commands that use a setting: `api`, `worker`, `migrate`, `key`, `audit`, `commands` (those that
use the API: `autos get`, `status`, …) and `up`, which starts the local stack. `up` hands all settings on to the API
and the worker that it starts, and sets addresses, ports and secrets itself where you do not. `compose` is Docker
Compose, which reads `.env` for `docker-compose.yml`. *Secret* values belong in no file that others can read.
"""
_EXAMPLE_HEAD = """\
# All variables that Autos reads, with their defaults. Copy this file to .env, which Autos and Docker Compose read
# from the current folder, and remove the # from the lines that you change. Environment variables override .env.
#
# Without any of these, `autos up` starts everything on this machine and generates the secrets.
#
# Written by `make settings`. docs/settings.md also says the type of each variable, and which service reads it.
"""


def build_page() -> str:
    """Return the text of docs/settings.md."""
    parts = [_PAGE_HEAD]
    for section in SECTIONS:
        parts.append(f"## {section.title}\n")
        if section.note:
            parts.append(f"{_wrap(section.note)}\n")
        rows = [_build_row(section, name) for name in section.fields]
        rows += [_build_foreign_row(section, variable) for variable in section.foreign]
        head = "| variable | type | default | read by | meaning |\n|---|---|---|---|---|"
        parts.append("\n".join((head, *rows)) + "\n")
    return "\n".join(parts)


def build_example() -> str:
    """Return the text of .env.example: every variable, commented out."""
    parts = [_EXAMPLE_HEAD]
    for section in SECTIONS:
        parts.append("\n" + f"# --- {section.title} ".ljust(115, "-") + "\n")
        if section.note:
            parts[-1] += f"{_wrap(_plain(section.note), '# ')}\n"
        parts += [
            f"{_comment(_read_meaning(name))}# {_variable(name)}={_show_default(name)}\n" for name in section.fields
        ]
        parts += [
            f"{_comment(variable.meaning)}# {variable.name}={variable.default}\n" for variable in section.foreign
        ]
    return "\n".join(parts)


def find_unlisted_fields() -> set[str]:
    """Return the names that are not in exactly one section, or are no settings."""
    listed = [name for section in SECTIONS for name in section.fields]
    repeated = {name for name in listed if listed.count(name) > 1}
    return (set(listed) ^ (Settings.model_fields.keys() - LOCAL_STACK_FIELDS)) | repeated


def list_readers(section: Section, name: str) -> tuple[Reader, ...]:
    """Return what reads a setting, in the order in which the page names them."""
    return section.readers_of.get(name, section.readers)


def _build_row(section: Section, name: str) -> str:
    default = _show_default(name)
    examples = Settings.model_fields[name].examples or []
    meaning = _read_meaning(name)
    if examples:
        meaning += " Example: " + ", ".join(f"`{example}`" for example in examples)
    return _join_cells(
        f"`{_variable(name)}`",
        _describe_type(name),
        f"`{default}`" if default else "",
        _name_readers(list_readers(section, name)),
        meaning,
    )


def _build_foreign_row(section: Section, variable: ForeignVariable) -> str:
    return _join_cells(
        f"`{variable.name}`",
        variable.type,
        f"`{variable.default}`" if variable.default else "",
        _name_readers(section.readers),
        variable.meaning,
    )


def _join_cells(*cells: str) -> str:
    # Markdown ends a cell at a |, even in code.
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def _name_readers(readers: tuple[Reader, ...]) -> str:
    return ", ".join(readers)


def _variable(name: str) -> str:
    return f"AUTOS_{name.upper()}"


def _read_meaning(name: str) -> str:
    meaning = Settings.model_fields[name].description
    if not meaning:
        raise ValueError(f"{name} in settings_fields.py has no docstring")
    return meaning


def _show_default(name: str) -> str:
    """Return a default as a variable has it. Empty for None and for empty values."""
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    match default:
        case None | ():
            return ""
        case bool():
            return str(default).lower()
        case dict():
            return json.dumps(default)
        case StrEnum():
            return default.value
        case _:
            return str(default).rstrip("/")


def _describe_type(name: str) -> str:
    field = Settings.model_fields[name]
    words = _name_type(field.annotation)
    limits = [
        f"{sign} {limit:,}"
        for attribute, sign in _LIMIT_SIGNS
        for rule in field.metadata
        if (limit := getattr(rule, attribute, None)) is not None
    ]
    lengths = [
        f"{word} {length} characters"
        for attribute, word in _LENGTH_WORDS
        for rule in field.metadata
        if (length := getattr(rule, attribute, None)) is not None
    ]
    return ", ".join((words, *limits, *lengths))


def _name_type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _name_type(arguments[0])
    if origin in (Union, UnionType):
        [only] = [argument for argument in arguments if argument is not NoneType]
        return _name_type(only)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return ", ".join(f"`{value}`" for value in annotation)
    return _TYPE_NAMES[(origin or annotation).__name__]


def _comment(text: str) -> str:
    """Return a Markdown text as comment lines. Empty for an empty text."""
    return f"{_wrap(_plain(text), '# ')}\n" if text else ""


def _plain(text: str) -> str:
    """Return a Markdown text without its links. Code spans stay: shells need not run comments."""
    return re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)


def _wrap(text: str, indent: str = "") -> str:
    paragraphs = (
        textwrap.fill(
            _CODE_SPAN.sub(lambda span: span.group().replace(" ", _NO_BREAK), " ".join(paragraph.split())),
            _WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in text.split("\n\n")
    )
    return ("\n" if indent else "\n\n").join(paragraphs).replace(_NO_BREAK, " ")


def main() -> None:
    """Write both files."""
    if unlisted := find_unlisted_fields():
        raise SystemExit(f"Not in exactly one section of cli/settings_sections.py: {', '.join(sorted(unlisted))}")
    PAGE.write_text(build_page(), encoding="utf-8")
    EXAMPLE.write_text(build_example(), encoding="utf-8")


if __name__ == "__main__":
    main()
