"""Blank sheets to write on: A4, with a free font that has accents, Greek and Cyrillic."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from fpdf import FPDF
from fpdf.fonts import TTFFont

from domain.text import printable

# Every page gets a strip for the footer below it. With it, our own pages are exactly A4.
STRIP_POINTS = 16.0
_POINTS_PER_MM = 72 / 25.4
WIDTH_MM = 210.0
HEIGHT_MM = 297.0 - STRIP_POINTS / _POINTS_PER_MM
MARGIN_MM = 18.0
_FONT_PACKAGE = "font_source_sans_pro"
# A file is the same whenever it is written.
WRITTEN_AT = datetime(1980, 1, 1, tzinfo=UTC)


class Sheets(FPDF):
    """A PDF that is written from top to bottom."""

    def __init__(self) -> None:
        super().__init__(unit="mm", format=(WIDTH_MM, HEIGHT_MM))
        folder = _font_folder()
        self.add_font("sans", "", folder / "SourceSansPro-Regular.ttf")
        font = self.fonts["sans"]
        self._letters = frozenset(font.cmap) if isinstance(font, TTFFont) else frozenset[int]()
        self.add_font("sans", "B", folder / "SourceSansPro-Bold.ttf")
        self.set_creation_date(WRITTEN_AT)
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=MARGIN_MM)

    def write_text(self, text: str, *, size: float = 10, bold: bool = False, gray: int = 0, gap: float = 0) -> None:
        """Write a paragraph below the last one.

        Args:
            text: One paragraph.
            size: Of the letters, in points.
            bold: In bold letters.
            gray: From 0, black, to 255, white.
            gap: Free space above, in millimetres.
        """
        if gap:
            self.ln(gap)
        self.set_font("sans", "B" if bold else "", size)
        self.set_text_color(gray)
        height = size / _POINTS_PER_MM * 1.3
        self.multi_cell(0, height, self.showable(text), align="L", new_x="LMARGIN", new_y="NEXT")

    def showable(self, text: str) -> str:
        """Return a text in one line, with a question mark for each character that the font lacks."""
        letters = self._letters
        return "".join(
            each if ord(each) in letters else "?" for each in unicodedata.normalize("NFC", printable(text))
        )

    def fit(self, text: str, width: float) -> str:
        """Return a text in one line, shortened with an ellipsis to a width in millimetres, in the current font."""
        text = self.showable(text)
        if self.get_string_width(text) <= width:
            return text
        while text and self.get_string_width(f"{text}…") > width:
            text = text[: min(len(text) - 1, int(len(text) * width / self.get_string_width(f"{text}…")) + 1)]
        return f"{text.rstrip()}…"


def points(millimetres: float) -> float:
    """Return millimetres in points, the unit of PDF."""
    return millimetres * _POINTS_PER_MM


def _font_folder() -> Path:
    spec = find_spec(_FONT_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise AssertionError(f"{_FONT_PACKAGE} is a dependency.")
    return Path(spec.submodule_search_locations[0]) / "files"
