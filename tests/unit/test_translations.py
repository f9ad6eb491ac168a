"""The two READMEs have the same sections, commands, links and figures, so that neither falls behind the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = "README.md", "README.pt-BR.md"

_CODE_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def read_heading_levels(text: str) -> list[int]:
    """Return the level of each heading, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", _CODE_BLOCK.sub("", text), re.MULTILINE)]


def read_code_blocks(text: str) -> list[str]:
    """Return the code blocks without their comments, which are translated."""
    return [re.sub(r" +# .*", "", block) for block in _CODE_BLOCK.findall(text)]


def read_links(text: str) -> list[str]:
    """Return the targets of all links, except for the ones between the two READMEs."""
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target for target in targets if target not in (ENGLISH, PORTUGUESE)]


def read_code_spans(text: str) -> list[str]:
    """Return the code spans outside code blocks, sorted: a translation may order a sentence differently."""
    return sorted(re.findall(r"`([^`\n]+)`", _CODE_BLOCK.sub("", text)))


def read_list_items(text: str) -> list[str]:
    """Return the marks of list items and the first cells of table rows, to compare their number."""
    return re.findall(r"^(?:- |\d\. |\|)", text, re.MULTILINE)


def read_figures(text: str) -> list[str]:
    """Return the numbers in the text of a README, sorted, without separators of thousands and decimals."""
    prose = re.sub(r"\]\([^)]*\)", "", _CODE_BLOCK.sub("", text))
    return sorted(re.sub(r"[.,]", "", figure) for figure in re.findall(r"\d+(?:[.,]\d+)*", prose))


READERS = (read_heading_levels, read_code_blocks, read_links, read_code_spans, read_list_items, read_figures)


@pytest.mark.parametrize("read", READERS)
def test_the_readmes_agree(read: Callable[[str], Sequence[object]]) -> None:
    english, portuguese = ((ROOT / name).read_text(encoding="utf-8") for name in (ENGLISH, PORTUGUESE))
    assert read(english)
    assert read(portuguese) == read(english)


def test_each_readme_leads_to_the_other_at_its_top() -> None:
    assert f"]({PORTUGUESE})" in "\n".join((ROOT / ENGLISH).read_text(encoding="utf-8").splitlines()[:4])
    assert f"]({ENGLISH})" in "\n".join((ROOT / PORTUGUESE).read_text(encoding="utf-8").splitlines()[:4])


@pytest.mark.parametrize(
    ("read", "changed"),
    [
        (read_heading_levels, "# A\n\n## B\n"),
        (read_code_blocks, "# A\n```\nmake x    # b\n```\n"),
        (read_links, "# A\n[a](b.md)\n"),
        (read_code_spans, "# A\n`y`\n"),
        (read_list_items, "# A\n- a\n"),
        (read_figures, "# A\n3.1\n"),
    ],
)
def test_a_difference_is_found(read: Callable[[str], Sequence[object]], changed: str) -> None:
    assert read(changed) != read("# A\n")
