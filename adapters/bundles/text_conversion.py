"""Text as pages: plain text, and the text of RTF and HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from striprtf.striprtf import rtf_to_text

from adapters.bundles.sheets import Sheets
from domain.bundle_contents import OmissionReason

_NOTES = {
    "rtf": "Convertido de RTF pelo Autos: só o texto, sem a formatação e as imagens do original.",
    "html_text": "Convertido de HTML pelo Autos: só o texto, sem a formatação e as imagens do original.",
    "text": "Convertido de texto simples pelo Autos.",
}
_LINE_BREAK = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_BLANK_LINES = re.compile(r"\n{3,}")
_TAB_LETTERS = 4
_MAX_INDENT = 32
_LINE_MM, _LETTER_POINTS = 4.8, 10
# Of HTML that is cut off: what the text is not of, and what ends a line.
_SKIPPED = frozenset({"head", "script", "style", "template", "title", "noscript"})
_BLOCKS = frozenset(
    {
        *(
            "address",
            "article",
            "blockquote",
            "br",
            "center",
            "dd",
            "div",
            "dl",
            "dt",
            "footer",
            "form",
            "h1",
            "h2",
        ),
        *("h3", "h4", "h5", "h6", "header", "hr", "li", "main", "ol", "p", "pre", "section", "table", "tr", "ul"),
    }
)
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:-]{1,40})""", re.IGNORECASE)


def convert_text(content: bytes, method: str, output: Path) -> OmissionReason | None:
    """Write the text of a document as pages.

    Args:
        content: Its bytes.
        method: ``text``, ``rtf`` or ``html_text``.
        output: Where to write the PDF.
    """
    if method == "rtf":
        text = str(rtf_to_text(content.decode("latin-1"), encoding="cp1252", errors="replace"))
    elif method == "html_text":
        text = _text_of_html(content)
    else:
        text = decode(content)
    if not text.strip():
        return OmissionReason.EMPTY
    write_text(text, _NOTES[method], output)
    return None


def write_text(text: str, note: str, output: Path) -> None:
    """Write a text as pages below a note."""
    sheets = Sheets()
    sheets.add_page()
    sheets.write_text(note, size=8, gray=110)
    sheets.ln(_LINE_MM)
    sheets.set_font("sans", "", _LETTER_POINTS)
    sheets.set_text_color(0)
    for line in _LINE_BREAK.split(text):
        expanded = line.expandtabs(_TAB_LETTERS)
        indent = " " * min(len(expanded) - len(expanded.lstrip()), _MAX_INDENT)
        shown = indent + sheets.showable(expanded)
        sheets.multi_cell(0, _LINE_MM, shown if shown.strip() else "", align="L", new_x="LMARGIN", new_y="NEXT")
    sheets.output(str(output))


def decode(content: bytes, charset: str | None = None) -> str:
    """Return bytes as text: in their declared encoding, as UTF-8 or, if they are neither, as Windows-1252."""
    for encoding in (charset, "utf-8-sig", "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else None):
        if encoding:
            try:
                return content.decode(encoding)
            except (LookupError, UnicodeError):
                continue
    return content.decode("cp1252", errors="replace")


def declared_charset(content: bytes) -> str | None:
    """Return the encoding that an HTML document declares, if it does."""
    match = _CHARSET.search(content[:4096])
    return match[1].decode() if match else None


class _TextCollector(HTMLParser):
    """Collects the text of HTML, whatever its structure."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")
        elif tag in ("td", "th"):
            self.parts.append("  ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skipped = max(self._skipped - 1, 0)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.parts.append(" ".join(data.split()) if data.strip() else " ")


def _text_of_html(content: bytes) -> str:
    collector = _TextCollector()
    collector.feed(decode(content, declared_charset(content)))
    collector.close()
    lines = (" ".join(line.split()) for line in "".join(collector.parts).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
