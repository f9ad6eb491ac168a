"""Footers: a strip of its own below each page, so that nothing of a document is covered."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from fpdf.fonts import CORE_FONTS_CHARWIDTHS
from pikepdf import Array, Dictionary, Name, Pdf, Stream

from adapters.bundles.sheets import STRIP_POINTS

_FONT = Name("/AutosFooter")
_LETTER_POINTS, _BASELINE_POINTS, _SIDE_POINTS = 7.0, 5.0, 18.0
_A4_WIDTH_POINTS = 595.0
# A page may be a business card or a plan of a building. The strip grows with it.
_MIN_SCALE, _MAX_SCALE = 0.2, 20.0
_ENCODING = "cp1252"
_WIDTHS: dict[str, int] = CORE_FONTS_CHARWIDTHS["helvetica"]
_AVERAGE_WIDTH = 556
_MAX_POINTS = 1e7
_US_LETTER = (0.0, 0.0, 612.0, 792.0)

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class FooterText:
    """What a footer says.

    Attributes:
        left: What is shortened if it does not fit.
        right: The place of the page.
    """

    left: str
    right: str


def add_footers(pdf: Pdf, texts: Sequence[FooterText]) -> None:
    """Add a footer to each page of a PDF, in the order of the pages."""
    font = pdf.make_indirect(
        Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    )
    before = pdf.make_stream(b"q\n")
    for page, text in zip(pdf.pages, texts, strict=True):
        _add_footer(pdf, page.obj, text, font, before)


def _add_footer(pdf: Pdf, page: Any, text: FooterText, font: Any, before: Stream) -> None:
    rotation = _rotation(page)
    visible = _visible_box(page)
    width = visible[2] - visible[0] if rotation in (0, 180) else visible[3] - visible[1]
    scale = min(max(width / _A4_WIDTH_POINTS, _MIN_SCALE), _MAX_SCALE)
    _extend(page, visible, rotation, STRIP_POINTS * scale)
    page.Resources = _with_font(page.get("/Resources"), font)
    matrix = _matrix(visible, rotation, STRIP_POINTS * scale)
    drawing = _draw(text, width, scale, matrix)
    contents = page.get("/Contents")
    streams = list(contents) if isinstance(contents, Array) else [contents]
    page.Contents = Array(
        [before, *(each for each in streams if isinstance(each, Stream)), pdf.make_stream(drawing)]
    )


def _rotation(page: Any) -> int:
    try:
        rotation = int(page.get("/Rotate", 0)) % 360
    except (TypeError, ValueError):
        return 0
    return rotation if rotation % 90 == 0 else 0


def _visible_box(page: Any) -> _Box:
    """Return the part of a page that is shown: the crop box, as far as it is inside the media box."""
    media = _read_box(page.get("/MediaBox")) or _US_LETTER
    crop = _read_box(page.get("/CropBox")) or media
    box = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
    return box if box[0] < box[2] and box[1] < box[3] else media


def _read_box(box: Any) -> _Box | None:
    if not isinstance(box, Array) or len(box) != 4:
        return None
    try:
        a, b, c, d = (float(each) for each in box)
    except (TypeError, ValueError):
        return None
    if any(abs(each) > _MAX_POINTS for each in (a, b, c, d)):
        # It may be infinite, which no PDF can state.
        return None
    # Any two opposite corners are a valid box.
    found = min(a, c), min(b, d), max(a, c), max(b, d)
    return found if found[0] < found[2] and found[1] < found[3] else None


def _extend(page: Any, visible: _Box, rotation: int, strip: float) -> None:
    """Make the page larger at the edge that is shown at the bottom."""
    left, bottom, right, top = visible
    box = {
        0: (left, bottom - strip, right, top),
        90: (left, bottom, right + strip, top),
        180: (left, bottom, right, top + strip),
        270: (left - strip, bottom, right, top),
    }[rotation]
    media = _read_box(page.get("/MediaBox")) or _US_LETTER
    whole = (min(media[0], box[0]), min(media[1], box[1]), max(media[2], box[2]), max(media[3], box[3]))
    page.MediaBox = Array([round(each, 3) for each in whole])
    page.CropBox = Array([round(each, 3) for each in box])


def _matrix(visible: _Box, rotation: int, strip: float) -> tuple[float, ...]:
    """Return the matrix from the strip, with its lower left corner as the page is shown, to the page."""
    left, bottom, right, top = visible
    return {
        0: (1, 0, 0, 1, left, bottom - strip),
        90: (0, 1, -1, 0, right + strip, bottom),
        180: (-1, 0, 0, -1, right, top + strip),
        270: (0, -1, 1, 0, left - strip, top),
    }[rotation]


def _with_font(resources: Any, font: Any) -> Any:
    """Return a copy of resources, which pages and forms may share, with the footer's font."""
    copied = copy(resources) if isinstance(resources, Dictionary) else Dictionary()
    fonts = copied.get("/Font")
    copied.Font = copy(fonts) if isinstance(fonts, Dictionary) else Dictionary()
    copied.Font[_FONT] = font
    return copied


def _draw(text: FooterText, width: float, scale: float, matrix: tuple[float, ...]) -> bytes:
    letters = _LETTER_POINTS * scale
    side = min(_SIDE_POINTS * scale, width / 20)
    right_width = _text_width(text.right, letters)
    left = _shorten(text.left, letters, width - 2 * side - right_width - letters)
    numbers = " ".join(f"{each:.3f}".rstrip("0").rstrip(".") for each in matrix)
    right_at = max(width - side - right_width, side)
    baseline = _BASELINE_POINTS * scale
    return b"".join(
        (
            # What was cropped away must not show in the strip.
            f"\nQ\nq\n{numbers} cm\n1 g\n0 0 {width:.2f} {STRIP_POINTS * scale:.2f} re f\n".encode(),
            f"0.35 g\nBT\n{_FONT} {letters:.2f} Tf\n1 0 0 1 {side:.2f} {baseline:.2f} Tm\n".encode(),
            *(b"(", _escape(left), b") Tj\n"),
            f"1 0 0 1 {right_at:.2f} {baseline:.2f} Tm\n".encode(),
            *(b"(", _escape(text.right), b") Tj\nET\nQ\n"),
        )
    )


def _shorten(text: str, letters: float, width: float) -> str:
    if _text_width(text, letters) <= width:
        return text
    while text and _text_width(f"{text}…", letters) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _text_width(text: str, letters: float) -> float:
    return sum(_WIDTHS.get(each, _AVERAGE_WIDTH) for each in text) * letters / 1000


def _escape(text: str) -> bytes:
    """Return the bytes of a literal string. A character that the font lacks becomes a question mark."""
    encoded = text.encode(_ENCODING, errors="replace")
    return encoded.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
