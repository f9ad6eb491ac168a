"""Detection of media types from bytes and declarations."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.content.media_types import choose_media_type

OFFICE = "application/vnd.openxmlformats-officedocument"
ODT = "application/vnd.oasis.opendocument.text"


def make_office_file(name: str) -> bytes:
    """Return a Microsoft Office file that contains these entries."""
    return make_zip(**{"[Content_Types].xml": "<x/>", "_rels/.rels": "<x/>", name: "<x/>"})


def make_zip(**files: str) -> bytes:
    """Return a ZIP archive with these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, text in files.items():
            made.writestr(name, text)
    return buffer.getvalue()


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x01\x00H\x00H\x00\x00"
MP4 = b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom"


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "application/pdf"),
        (b"{\\rtf1\\ansi\\deff0 Ata}", "application/rtf"),
        (b"<div><p>Vistos.</p></div>", "text/html"),
        (b"\r\n  <P align=center>DESPACHO</P>", "text/html"),
        (b"\xef\xbb\xbf<html><body>", "text/html"),
        (b"<!DOCTYPE html><html>", "text/html"),
        (b"<table border=1>", "text/html"),
        (make_zip(a="b"), "application/zip"),
        (make_office_file("word/document.xml"), f"{OFFICE}.wordprocessingml.document"),
        (make_office_file("xl/workbook.xml"), f"{OFFICE}.spreadsheetml.sheet"),
        (make_zip(mimetype=ODT, **{"content.xml": "<x/>"}), ODT),
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (MP4, "video/mp4"),
    ],
)
@pytest.mark.parametrize("declared", [None, "application/pdf", "text/plain"])
def test_media_type_of_the_bytes_takes_precedence(head: bytes, media_type: str, declared: str | None) -> None:
    assert choose_media_type(head, declared, False) == media_type


@pytest.mark.parametrize(
    ("declared", "media_type"),
    [
        ("text/plain", "text/plain"),
        ("Text/Plain; charset=UTF-8", "text/plain"),
        ("text/richtext", "application/rtf"),
        # Without its header it is not one, whatever the court says.
        ("APPLICATION_PDF", "application/octet-stream"),
        ("TEXT_HTML", "text/html"),
        ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    ],
)
def test_declared_media_type_is_the_fallback(declared: str | None, media_type: str) -> None:
    assert choose_media_type(b"Vistos etc. Nada mais.", declared, False) == media_type


UNDECLARED = [None, "", "NAO_IDENTIFICADO", "nonsense", "text/plain\r\nX-Evil: 1", "text/plain/x"]


@pytest.mark.parametrize("declared", UNDECLARED)
@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252"])
def test_bytes_of_no_declared_type_that_could_be_text_are_text(declared: str | None, encoding: str) -> None:
    head = "Vistos etc. “Não” há mais.\r\n\tCuiabá\x0c".encode(encoding, errors="replace")
    assert choose_media_type(head, declared, False) == "text/plain"


@pytest.mark.parametrize("declared", UNDECLARED)
@pytest.mark.parametrize("head", [b"", b"\x00", b"Vistos\x00", b"\x8d\x01\xfe", b"a" * 4095 + b"\x1f"])
def test_other_bytes_of_no_declared_type_are_unknown(declared: str | None, head: bytes) -> None:
    assert choose_media_type(head, declared, False) == "application/octet-stream"


def test_declared_pdf_may_have_a_line_before_its_header() -> None:
    head = b"%!Made by a scanner\r\n%PDF-1.4\n"
    assert choose_media_type(head, "APPLICATION_PDF", False) == "application/pdf"


@given(st.binary(max_size=5000))
def test_court_text_is_always_plain_text(head: bytes) -> None:
    assert choose_media_type(head, "application/pdf", True) == "text/plain"


magic = st.sampled_from([b"", b"%PDF-", b"PK\x03\x04", b"\xff\xd8\xff", b"BM", b"MZ", b"\x7fELF", b"ID3", b"RIFF"])


@given(st.builds(bytes.__add__, magic, st.binary(max_size=5000)), st.none() | st.text(st.characters(), max_size=40))
def test_media_type_of_any_bytes_is_valid_in_a_header(head: bytes, declared: str | None) -> None:
    media_type = choose_media_type(head, declared, False)
    assert media_type.isascii()
    assert media_type.isprintable()
    assert media_type.count("/") == 1
    assert not set(media_type) & set(' ;,"')
