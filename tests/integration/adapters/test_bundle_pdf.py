"""One PDF of many pieces: whole, in order, with a bookmark and a place in the table for each of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest

from adapters.bundles import pdf
from adapters.bundles.pdf import build_pdf
from adapters.sandbox import Limits
from domain.bundle_contents import RECIPE_VERSION, BuiltPdf, OmissionReason, Piece
from domain.errors import BundleNotBuilt
from tests.support.bundle_pieces import cover_facts, make_form, make_pdf, piece_of, read_bookmarks, read_pages
from tests.support.large_pdfs import count_image_bytes, write_large_pdf


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A scratch disk."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


async def build(pieces: list[Piece], scratch: Path, name: str = "autos.pdf", total: int | None = None) -> BuiltPdf:
    """Build a PDF in the folder above the scratch disk."""
    return await build_pdf(cover_facts(total or len(pieces)), pieces, scratch.parent / name, scratch)


def make_pieces(folder: Path, count: int, pages: int = 2) -> list[Piece]:
    """Return pieces whose names have accents, alternating between two instances."""
    return [
        piece_of(
            make_pdf(folder / f"{number}.pdf", f"peça {number} folha", pages),
            number,
            f"Petição nº {number} — ação",
            instance="2° Grau" if number % 3 == 0 else "1° Grau",
        )
        for number in range(1, count + 1)
    ]


async def test_every_document_is_where_bookmarks_and_table_say(scratch: Path, tmp_path: Path) -> None:
    pieces = make_pieces(tmp_path, 40)
    built = await build(pieces, scratch)
    output = tmp_path / "autos.pdf"
    pages, marks = read_pages(output), read_bookmarks(output)

    assert built.pages == len(pages)
    assert built.size_bytes == output.stat().st_size
    assert built.omissions == ()
    table = "\n".join(pages[1 : built.ranges[0].first - 1])
    for piece, place in zip(pieces, built.ranges, strict=True):
        assert f"peça {piece.position} folha 1" in pages[place.first - 1]
        assert f"peça {piece.position} folha 2" in pages[place.first]
        assert (1, f"{piece.position:03d} {piece.name}", place.first) in marks
        row = re.search(
            rf"{piece.position:03d}\s+\d\d/\d\d/2024\s+{re.escape(piece.name or '')}\s+(\d+)–(\d+)", table
        )
        assert row is not None
        assert (int(row[1]), int(row[2])) == (place.first, place.first + place.count - 1)
        assert f"SHA-256 {piece.sha256}" in table
    assert [title for level, title, _ in marks if level == 0] == ["Capa", "Índice", "1° Grau", "2° Grau"]
    with pikepdf.open(output) as opened:
        assert opened.check_pdf_syntax() == []
        assert opened.pdf_version == "1.7"
        links = [
            link for page in opened.pages[1 : built.ranges[0].first - 1] for link in page.obj.get("/Annots", [])
        ]
        assert [pikepdf.Page(link.Dest[0]).index + 1 for link in links] == [place.first for place in built.ranges]


async def test_each_page_has_a_footer_and_the_cover_says_what_it_is(scratch: Path, tmp_path: Path) -> None:
    await build(make_pieces(tmp_path, 3), scratch, total=7)
    pages = read_pages(tmp_path / "autos.pdf")
    for number, text in enumerate(pages, start=1):
        assert "Autos 1011745-77.2025.8.11.0041 · " in text
        assert f"p. {number}/{len(pages)}" in text
    assert "· 002 Petição nº 2 — ação" in pages[-3]
    cover = " ".join(pages[0].split())
    for said in (
        *("1011745-77.2025.8.11.0041", "TJMT", "Procedimento Comum Cível", "1ª Vara Cível de Cuiabá"),
        *("Autora: Conceição Invenção", "05/10/2026 às 15:30", "3 de 3 documentos, escolhidos entre os 7"),
        *("Nenhum.", "desfaz as assinaturas digitais", "Merging breaks digital signatures"),
    ):
        assert said in cover


async def test_same_pieces_are_the_same_bytes(scratch: Path, tmp_path: Path) -> None:
    pieces = make_pieces(tmp_path, 4)
    await build(pieces, scratch, "one.pdf")
    await build(pieces, scratch, "two.pdf")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()


async def test_manifest_is_attached(scratch: Path, tmp_path: Path) -> None:
    pieces = make_pieces(tmp_path, 2)
    built = await build(pieces, scratch)
    with pikepdf.open(tmp_path / "autos.pdf") as opened:
        manifest = json.loads(opened.attachments["manifest.json"].get_file().read_bytes())
    assert manifest["recipe_version"] == RECIPE_VERSION
    assert [document["sha256"] for document in manifest["documents"]] == [piece.sha256 for piece in pieces]
    assert [document["pages"]["first"] for document in manifest["documents"]] == [
        place.first for place in built.ranges
    ]


async def test_bad_files_have_a_page_that_says_so(scratch: Path, tmp_path: Path) -> None:
    whole = make_pdf(tmp_path / "whole.pdf", "inteira", 30)
    body = whole.read_bytes()
    bad = {
        "encrypted": OmissionReason.ENCRYPTED,
        "html": OmissionReason.DAMAGED,
        "nothing": OmissionReason.DAMAGED,
        "noise": OmissionReason.DAMAGED,
        "no pages": OmissionReason.EMPTY,
    }
    with pikepdf.open(whole) as opened:
        opened.save(tmp_path / "encrypted", encryption=pikepdf.Encryption(user="senha", owner="senha"))
    (tmp_path / "html").write_text("<html><body>Sessão expirada</body></html>")
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "noise").write_bytes(b"%PDF-1.4\n" + bytes(range(256)) * 20)
    pikepdf.new().save(tmp_path / "no pages")
    pieces = [piece_of(whole, 1, "Inicial")]
    pieces += [piece_of(tmp_path / name, 2 + index, f"Ruim {name}") for index, name in enumerate(bad)]
    pieces.append(piece_of(whole, 9, "Final"))
    built = await build(pieces, scratch)

    assert {omission.name: omission.reason for omission in built.omissions} == {
        f"Ruim {name}": reason for name, reason in bad.items()
    }
    pages = read_pages(tmp_path / "autos.pdf")
    marks = {title: page for _, title, page in read_bookmarks(tmp_path / "autos.pdf")}
    for omission in built.omissions:
        page = marks[f"{omission.position:03d} {omission.name} (não incluído)"]
        assert "Este documento não está neste PDF." in pages[page - 1]
        assert omission.text in " ".join(pages[page - 1].split())
        assert f"{omission.name}: {omission.text}" in " ".join(pages[0].split())
    assert "2 de 7 documentos" in pages[0]
    assert "inteira 30" in pages[-1]
    assert body == whole.read_bytes()


@pytest.mark.thorough
async def test_a_file_that_stops_the_program_is_damaged_and_the_others_go_on(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = make_pieces(tmp_path, 3)
    trap = tmp_path / "2.pdf"
    trap.unlink()
    # Whoever opens it waits for ever.
    os.mkfifo(trap)
    monkeypatch.setattr(pdf, "_limits", lambda _: Limits(2 * 1024**3, 60, 20, 1024**3))
    built = await build(pieces, scratch)
    assert [(omission.position, omission.reason) for omission in built.omissions] == [(2, "damaged")]


@pytest.mark.thorough
async def test_an_image_that_does_not_fit_into_the_memory_is_never_left_out_silently(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "_MEMORY_BYTES", 512 * 1024**2)
    sources = [tmp_path / "0.pdf", tmp_path / "1.pdf", tmp_path / "2.pdf"]
    for source, size_bytes in zip(sources, (1_000_000, 300_000_000, 1_000_000), strict=True):
        write_large_pdf(source, 1, size_bytes)
    pieces = [piece_of(source, position, "Prova") for position, source in enumerate(sources, start=1)]
    built = await build_pdf(cover_facts(3), pieces, tmp_path / "autos.pdf", scratch)
    assert [(each.position, each.reason) for each in built.omissions] == [(2, OmissionReason.TOO_LARGE)]
    assert count_image_bytes(tmp_path / "autos.pdf") == 2_000_000


async def test_a_program_that_fails_blames_no_file(scratch: Path, tmp_path: Path) -> None:
    output = tmp_path / "autos.pdf"
    output.mkdir()
    with pytest.raises(BundleNotBuilt, match="IsADirectoryError"):
        await build(make_pieces(tmp_path, 2), scratch)


async def test_half_a_pdf_is_never_silently_whole(scratch: Path, tmp_path: Path) -> None:
    body = make_pdf(tmp_path / "whole.pdf", "folha", 30).read_bytes()
    half = tmp_path / "half.pdf"
    pieces = [piece_of(tmp_path / "whole.pdf", 1, "Inteira")]
    for position, share in enumerate((0.2, 0.5, 0.8, 0.95, 0.99), start=2):
        part = tmp_path / f"{position}.pdf"
        part.write_bytes(body[: int(len(body) * share)])
        pieces.append(piece_of(part, position, f"Parte {position}"))
    built = await build(pieces, scratch)
    omitted = {omission.position for omission in built.omissions}
    repaired = {place.position for place in built.ranges if place.repaired}
    assert omitted | repaired == {2, 3, 4, 5, 6}
    cover = " ".join(read_pages(tmp_path / "autos.pdf")[0].split())
    assert all(f"{position:03d} · Parte {position}" in cover for position in range(2, 7))
    assert not half.exists()


async def test_pieces_without_bytes_have_a_page_and_withheld_ones_no_name(scratch: Path, tmp_path: Path) -> None:
    pieces = [
        *make_pieces(tmp_path, 1),
        Piece("id-2", 2, name="Audiência.mp4", media_type="video/mp4", omitted=OmissionReason.VIDEO),
        Piece("id-3", 3, name="Laudo", omitted=OmissionReason.FAILED, detail="HTTP 404 do tribunal."),
        Piece(None, 4, "2° Grau", omitted=OmissionReason.WITHHELD),
    ]
    built = await build(pieces, scratch)
    assert [omission.reason for omission in built.omissions] == ["video", "failed", "withheld"]
    assert built.omissions[2].name is None
    pages = read_pages(tmp_path / "autos.pdf")
    assert "HTTP 404 do tribunal." in pages[-2]
    assert "Documento sob sigilo" in pages[-1]


async def test_nothing_may_describe_a_withheld_piece() -> None:
    withheld = Piece(None, 4, omitted=OmissionReason.WITHHELD)
    described: list[Callable[[], Piece]] = [
        lambda: replace(withheld, name="Laudo"),
        lambda: replace(withheld, document_id="id-4"),
        lambda: replace(withheld, sha256="0" * 64),
        lambda: replace(withheld, detail="x"),
    ]
    for describe in described:
        with pytest.raises(ValueError, match="withheld"):
            describe()


async def test_values_of_forms_survive(scratch: Path, tmp_path: Path) -> None:
    pieces = [
        piece_of(make_form(tmp_path / f"{number}.pdf", f"valor {number}"), number, f"Formulário {number}")
        for number in (1, 2)
    ]
    await build(pieces, scratch)
    with pikepdf.open(tmp_path / "autos.pdf") as opened:
        assert [str(field.V) for field in opened.Root.AcroForm.Fields] == ["valor 1", "valor 2"]
