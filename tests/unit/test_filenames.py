"""Safe file names and headers from any document name."""

from __future__ import annotations

import unicodedata
from email.message import Message
from email.utils import collapse_rfc2231_value

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autos_client import Document
from autos_client.files import digits_for, file_name
from domain.filenames import content_disposition, file_extension, number_width, numbered_filename, safe_filename

PDF = "application/pdf"
FALLBACK = "0f1e2d3c-4b5a-5678-9abc-def012345678"
MEDIA_TYPES = {
    PDF: ".pdf",
    "text/html": ".html",
    "text/plain": ".txt",
    "application/rtf": ".rtf",
    "image/jpeg": ".jpg",
    "application/zip": ".zip",
    "application/octet-stream": ".bin",
    "APPLICATION/PDF; charset=binary": ".pdf",
    "": ".bin",
}
# Windows reserves these names with any extension, and with blanks before it.
RESERVED = {
    *("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"),
    *(f"{stem}{digit}" for stem in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"),
}
# Includes surrogates, which no file system accepts.
anything = st.text(st.characters(), max_size=300) | st.text("./\\ \r\n\x00\u202e\"';%=con.pdf", max_size=40)


def make_safe_name(name: str | None, media_type: str = PDF) -> str:
    """Return the safe name of a document."""
    return safe_filename(name, fallback=FALLBACK, media_type=media_type)


def is_reserved(name: str) -> bool:
    """Return whether Windows opens a device under this name."""
    return name.partition(".")[0].rstrip(" ").upper() in RESERVED


def parsed_parameters(header: str) -> dict[str, str]:
    """Return a header's parameters as the standard library's mail parser reads them. Extended forms win."""
    message = Message()
    message["Content-Disposition"] = header
    parameters = message.get_params(header="content-disposition")
    assert parameters is not None
    assert parameters[0] == ("attachment", "")
    return {name: collapse_rfc2231_value(value) for name, value in parameters[1:]}


@given(anything, st.sampled_from(sorted(MEDIA_TYPES)))
@example("../../etc/passwd", PDF)
@example("..\\..\\boot.ini", PDF)
@example("C:\\Windows\\a", PDF)
@example("\u202efdp.exe", PDF)
@example("\x00\r\n\t\u2028", PDF)
@example("\uff0e\uff0e\uff0f", PDF)
@example("con .txt", "application/octet-stream")
def test_any_name_becomes_one_safe_path_component(name: str, media_type: str) -> None:
    safe_name = make_safe_name(name, media_type)
    assert safe_name
    assert not set(safe_name) & set('/\\:*?"<>|')
    assert all(unicodedata.category(character)[0] != "C" for character in safe_name)
    assert "\u2028" not in safe_name
    assert "\u2029" not in safe_name
    assert safe_name[0] not in ". "
    assert safe_name[-1] not in ". "
    assert len(safe_name.encode()) <= 200
    assert not is_reserved(safe_name)


@given(anything, st.sampled_from(sorted(MEDIA_TYPES)))
def test_a_name_ends_in_the_extension_of_its_media_type(name: str, media_type: str) -> None:
    aliases = {".jpg": (".jpg", ".jpeg"), ".html": (".html", ".htm")}
    ending = MEDIA_TYPES[media_type]
    assert make_safe_name(name, media_type).lower().endswith(aliases.get(ending, (ending,)))


@given(anything)
def test_safe_name_is_unchanged(name: str) -> None:
    safe_name = make_safe_name(name)
    assert make_safe_name(safe_name) == safe_name


@pytest.mark.parametrize(
    ("name", "media_type", "safe_name"),
    [
        ("Petição Inicial.pdf", PDF, "Petição Inicial.pdf"),
        ("Petição Inicial", PDF, "Petição Inicial.pdf"),
        ("Sentença.html", "text/html", "Sentença.html"),
        ("Sentença.htm", "text/html", "Sentença.htm"),
        ("Despacho.PDF", PDF, "Despacho.PDF"),
        ("Laudo 1/2.pdf", PDF, "Laudo 1_2.pdf"),
        ("Sentença.html", PDF, "Sentença.html.pdf"),
        ("  a \t b  .pdf", PDF, "a b.pdf"),
        ("文書.pdf", PDF, "文書.pdf"),
        ("мнение", "text/plain", "мнение.txt"),
        ("Peti\u0063\u0327a\u0303o.pdf", PDF, "Petição.pdf"),
        ("nul", PDF, "_nul.pdf"),
        ("Com1.alvará.pdf", PDF, "_Com1.alvará.pdf"),
        ("aux .txt", "text/plain", "_aux.txt"),
        ("foto.JPEG", "image/jpeg", "foto.JPEG"),
        (".htaccess", "text/plain", "htaccess.txt"),
        ("anexo", "application/x-unknown", "anexo.bin"),
    ],
)
def test_names_stay_recognisable(name: str, media_type: str, safe_name: str) -> None:
    assert make_safe_name(name, media_type) == safe_name


@pytest.mark.parametrize("name", [None, "", "...", " ", "\u202e", ". ."])
def test_empty_name_becomes_the_fallback(name: str | None) -> None:
    assert make_safe_name(name) == f"{FALLBACK}.pdf"


def test_long_name_is_cut_between_characters() -> None:
    safe_name = make_safe_name("ç" * 500 + ".pdf")
    assert safe_name == "ç" * 90 + ".pdf"


@pytest.mark.parametrize(("media_type", "ending"), MEDIA_TYPES.items())
def test_a_media_type_has_its_extension(media_type: str, ending: str) -> None:
    assert file_extension(media_type) == ending


@given(anything)
@example('a"; filename="evil.exe')
@example("a\r\nSet-Cookie: x=y")
@example("文書%2e.pdf")
@example("\uff02; filename=\uff02evil.exe\uff02")
@example("\uff0e\uff0e\uff0fetc\uff0fpasswd")
@example("utf-8''%41")
def test_parser_reads_the_exact_name_from_the_header(name: str) -> None:
    safe_name = make_safe_name(name)
    header = content_disposition(safe_name)
    assert parsed_parameters(header)["filename"] == safe_name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
@example("a\r\nSet-Cookie: x=y")
@example('a"; filename="evil.exe')
@example("\uff02; filename=evil")
@example("\uff0e\uff0e\uff0fetc\uff0fpasswd")
@example("a\\")
def test_no_name_adds_lines_or_parameters_to_the_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert set(parsed_parameters(header)) == {"filename"}
    plain = header.removeprefix('attachment; filename="').partition('"')[0]
    assert not set(plain) & set("/\\")
    rest = header.removeprefix(f'attachment; filename="{plain}"')
    assert rest == "" or rest.startswith("; filename*=UTF-8''")
    assert not set(rest[2:]) & set(' ;"/\\')


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.pdf", 'attachment; filename="a.pdf"'),
        ("Petição.pdf", "attachment; filename=\"Peticao.pdf\"; filename*=UTF-8''Peti%C3%A7%C3%A3o.pdf"),
        ("100%.pdf", "attachment; filename=\"100_.pdf\"; filename*=UTF-8''100%25.pdf"),
    ],
)
def test_header_has_the_form_that_browsers_expect(name: str, header: str) -> None:
    assert content_disposition(name) == header


@given(
    st.none() | anything,
    st.none() | st.text(max_size=20),
    st.sampled_from([*sorted(MEDIA_TYPES), "text/xml", "audio/ogg", "application/x-unknown"]),
    st.integers(1, 20_000),
)
@example("Laudo Pericial 1/2.pdf", None, PDF, 7)
@example("ata.PDF", "Ata", "text/html", 1)
@example("..", "", "", 1000)
@example(".pdf", None, PDF, 1)
def test_numbered_names_are_those_of_the_client(
    name: str | None, type_name: str | None, media_type: str, number: int
) -> None:
    digits = number_width(number)
    assert digits == digits_for(number)
    # Without validation: the client's model takes no surrogates, which its rule would remove.
    document = Document.model_construct(id="", status="available", name=name, type=type_name, media_type=media_type)
    expected = file_name(number, document, digits)
    assert numbered_filename(number, name, type_name, media_type, digits=digits) == expected


def test_an_inline_disposition_keeps_the_name() -> None:
    value = content_disposition("Petição.pdf", inline=True)
    assert value == content_disposition("Petição.pdf").replace("attachment", "inline", 1)
    assert value.startswith('inline; filename="Peticao.pdf"; ')
