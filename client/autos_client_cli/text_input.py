"""Text that people bring: standard input and files, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.texts import t

STANDARD_INPUT = "-"
# The mark of UTF-32 begins with that of UTF-16.
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_standard_input() -> str:
    """Return what is on standard input, decoded as ``decode_text`` does."""
    return decode_text(sys.stdin.buffer.read())


def read_lines(source: str) -> list[str]:
    """Return the lines of a file, or of standard input for ``-``, without comments and empty lines.

    Raises:
        CommandError: The file cannot be read.
    """
    if source == STANDARD_INPUT:
        text = read_standard_input()
    else:
        try:
            text = decode_text(Path(source).read_bytes())
        except OSError as error:
            raise CommandError(
                t("Cannot read {file}: {reason}.", file=source, reason=error.strerror), ExitCode.USAGE
            ) from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def decode_text(content: bytes) -> str:
    """Decode a person's file, without its byte order mark.

    What is neither marked nor UTF-8 is read as Windows-1252, which contains Latin-1: process numbers and tokens are
    plain ASCII, and are checked afterwards.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
