"""Every path and every link target in the documentation exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.temporal_views import TEMPORAL_VIEWS

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("ARCHITECTURE.md", "README.md", "README.pt-BR.md", "CONTRIBUTING.md")),
    *(ROOT / "docs").rglob("*.md"),
]
ROOMS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}

_CODE_BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
_FILE_SUFFIXES = (".py", ".md", ".toml", ".yml", ".lock")
# Files that readers of docs/webhooks.md create themselves.
_READER_FILES = {"receiver.py"}


def test_the_views_of_temporal_are_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert [view.name for view in TEMPORAL_VIEWS if f"`{view.query}`" not in page] == []


def find_broken_references(text: str, folder: Path) -> list[str]:
    """Return the paths in code spans and the link targets of a page that do not exist.

    Args:
        text: The page, as Markdown. Code blocks are left out.
        folder: The folder of the page, which relative links start from.
    """
    prose = _CODE_BLOCK.sub("", text)
    paths = [path for path in _CODE_SPAN.findall(prose) if _is_repository_path(path)]
    links = [link for link in _LINK.findall(_CODE_SPAN.sub("``", prose)) if "://" not in link]
    return [
        *(path for path in paths if not any(ROOT.glob(path.rstrip("/")))),
        *(link for link in links if not _link_target_exists(link, text, folder)),
    ]


def _is_repository_path(text: str) -> bool:
    if not _PATH.fullmatch(text) or text in _READER_FILES:
        return False
    first, slash, _ = text.partition("/")
    return first in ROOMS if slash else text.endswith(_FILE_SUFFIXES)


def _link_target_exists(link: str, text: str, folder: Path) -> bool:
    target, _, anchor = link.partition("#")
    path = folder / target
    if target and not path.exists():
        return False
    return not anchor or anchor in read_anchors(path.read_text() if target else text)


def read_anchors(text: str) -> set[str]:
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(_CODE_BLOCK.sub("", text))
    }


def find_missing_map_entries(text: str) -> list[str]:
    """Return the names on the map of ARCHITECTURE.md that do not exist.

    A room begins a line; what it holds is indented below it. Names and descriptions alternate, with two spaces
    between them. Names that share a description are separated by commas.
    """
    return [
        path for path in _read_map_paths(text) if not any((ROOT / name).exists() for name in (path, f"{path}.py"))
    ]


def _read_map_paths(text: str) -> Iterator[str]:
    block = _CODE_BLOCK.search(text)
    assert block is not None
    room = ""
    for line in block.group().splitlines()[1:-1]:
        fields = re.split(r" {2,}", line.strip())
        if not line.startswith(" "):
            room = fields[0]
            yield room
        elif len(fields) > 1:
            yield from (f"{room}{name}" for names in fields[::2] for name in names.split(", "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_and_link_exists(page: Path) -> None:
    assert find_broken_references(page.read_text(), page.parent) == []


def test_map_entries_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert len(list(_read_map_paths(text))) > 40
    assert find_missing_map_entries(text) == []


def test_a_missing_path_or_link_is_reported() -> None:
    text = (
        "# The title\n\n`worker.py` `domain/` `docs/*.md` `processes/write-check` [title](#the-title) "
        "`adapters/nothing.py` `nothing.md` [page](nothing.md) [heading](api.md#nothing) [own](#nothing)\n"
        "```\n`domain/in_a_block.py`\n```\n"
    )
    missing = ["adapters/nothing.py", "nothing.md", "nothing.md", "api.md#nothing", "#nothing"]
    assert find_broken_references(text, ROOT / "docs") == missing
    assert find_missing_map_entries("```\ndomain/   rules\n  errors, nothing   codes   text.py   texts\n```\n") == [
        "domain/nothing"
    ]
