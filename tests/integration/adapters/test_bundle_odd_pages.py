"""Footers of rotated, cropped, tiny and broken pages: readable at the bottom, and nothing is covered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import pytest
from pikepdf import Array, Dictionary, Name, Pdf

from adapters.bundles.footers import FooterText, add_footers
from adapters.bundles.sheets import STRIP_POINTS
from tests.support.bundle_pieces import make_pdf

FOOTER = FooterText("Autos 1 · Petição (ação) \\ — “x”", "p. 3/9")
# The bottom of the page as it is shown, and the text that it must show above the strip.
CASES: dict[str, dict[str, Any]] = {
    "upright": {},
    "turned right": {"rotate": 90},
    "upside down": {"rotate": 180},
    "turned left": {"rotate": 270},
    "turned by a negative angle": {"rotate": -90},
    "landscape": {"media": (0, 0, 842, 595)},
    "origin elsewhere": {"media": (-200, 300, 395, 1142)},
    "corners swapped": {"MediaBox": Array([595, 842, 0, 0])},
    "cropped": {"CropBox": Array([40, 40, 500, 700])},
    "cropped and turned": {"CropBox": Array([40, 40, 500, 700]), "rotate": 90},
    "crop box larger than the page": {"CropBox": Array([-500, -500, 5000, 5000])},
    "box without end": {"MediaBox": pikepdf.Object.parse(b"[0 0 %s.5 842]" % (b"9" * 400))},
    "no box": {"MediaBox": Name.None_},
    "rotation that is none": {"Rotate": 45},
    "poster": {"media": (0, 0, 3370, 4768)},
}


def stamp(path: Path, count: int = 1) -> Path:
    """Add footers to a PDF."""
    output = path.with_suffix(".stamped.pdf")
    with pikepdf.open(path) as pdf:
        add_footers(pdf, [FOOTER] * count)
        pdf.save(output, static_id=True)
    with pikepdf.open(output) as pdf:
        assert pdf.check_pdf_syntax() == []
    return output


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_footer_is_in_a_strip_below_what_was_shown(case: dict[str, Any], tmp_path: Path) -> None:
    source = make_pdf(tmp_path / "a.pdf", "folha", **case)
    with pypdfium2.PdfDocument(source) as before, pypdfium2.PdfDocument(stamp(source)) as after:
        old, new = before[0], after[0]
        width, height = new.get_size()
        strip = height - old.get_height()
        assert width == pytest.approx(old.get_width(), abs=0.1)
        assert strip == pytest.approx(STRIP_POINTS * min(max(width / 595, 0.2), 20), abs=0.1)
        # Above the strip, each pixel is what it was.
        shown = new.render(scale=1).to_pil().convert("L")
        was = old.render(scale=1).to_pil().convert("L")
        above = shown.crop((0, 0, shown.width, was.height - 1))
        differing = sum(
            a != b for a, b in zip(above.tobytes(), was.crop((0, 0, *above.size)).tobytes(), strict=True)
        )
        assert differing <= above.width * above.height * 0.01
        # In the strip, there is writing, upright: darker at its left and right ends than in its middle.
        below = shown.crop((0, was.height, shown.width, shown.height))
        assert min(below.tobytes()) < 160
        text = new.get_textpage().get_text_range()
        assert "p. 3/9" in text
        assert "Autos 1 · Petição" in text


def test_a_tiny_page_shows_its_number_and_shortens_the_name(tmp_path: Path) -> None:
    source = make_pdf(tmp_path / "a.pdf", "x", media=(0, 0, 90, 50))
    with pikepdf.open(source, allow_overwriting_input=True) as pdf:
        add_footers(pdf, [FooterText("Petição " * 60, "p. 3/9")])
        pdf.save()
    with pypdfium2.PdfDocument(source) as stamped:
        text = stamped[0].get_textpage().get_text_range()
    assert "p. 3/9" in text
    assert "…" in text


def test_a_page_that_is_cropped_away_is_shown_with_its_footer(tmp_path: Path) -> None:
    outside = Array([2000, 2000, 2100, 2100])
    with pypdfium2.PdfDocument(stamp(make_pdf(tmp_path / "a.pdf", "folha", CropBox=outside))) as pdf:
        assert pdf[0].get_size() == pytest.approx((595, 842 + STRIP_POINTS), abs=0.1)
        assert "p. 3/9" in pdf[0].get_textpage().get_text_range()


def test_shared_and_inherited_resources_stay_as_they_are(tmp_path: Path) -> None:
    pdf = Pdf.new()
    font = pdf.make_indirect(Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Courier))
    shared = pdf.make_indirect(Dictionary(Font=Dictionary(F1=font)))
    form = pdf.make_stream(b"BT /F1 9 Tf (forma) Tj ET", Type=Name.XObject, Subtype=Name.Form, Resources=shared)
    form.BBox = Array([0, 0, 100, 100])
    for _ in range(3):
        page = pdf.add_blank_page(page_size=(595, 842)).obj
        page.Contents = pdf.make_stream(b"BT /F1 12 Tf 50 500 Td (folha) Tj ET /Fm Do")
        page.Resources = shared
    shared.XObject = Dictionary(Fm=form)
    del pdf.pages[0].obj["/Resources"]
    pdf.Root.Pages.Resources = shared
    pdf.save(tmp_path / "a.pdf")
    with pikepdf.open(stamp(tmp_path / "a.pdf", 3)) as stamped:
        for each in stamped.pages:
            assert set(each.obj.Resources.Font.keys()) == {"/F1", "/AutosFooter"}
            assert set(each.obj.Resources.XObject.Fm.Resources.Font.keys()) == {"/F1"}


@pytest.mark.parametrize("contents", [b"q 2 0 0 2 50 50 cm", b"Q Q Q", b"BT /F1 10 Tf", b""])
def test_a_page_that_leaves_its_state_open_still_gets_its_footer(contents: bytes, tmp_path: Path) -> None:
    pdf = Pdf.new()
    page = pdf.add_blank_page(page_size=(595, 842)).obj
    page.Contents = Array([pdf.make_stream(contents), pdf.make_stream(b"")])
    pdf.save(tmp_path / "a.pdf")
    output = tmp_path / "a.stamped.pdf"
    with pikepdf.open(tmp_path / "a.pdf") as opened:
        add_footers(opened, [FOOTER])
        opened.save(output)
    with pypdfium2.PdfDocument(output) as stamped:
        assert "p. 3/9" in stamped[0].get_textpage().get_text_range()
