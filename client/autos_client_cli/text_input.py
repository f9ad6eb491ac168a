"""Text that people bring: standard input and files, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from autos_client_cli.errors import CommandError, ExitCode
from autos_client_cli.texts import t

STANDARD_INPUT = "-"


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

    What is not Unicode is read as Latin-1, in which no byte is wrong: process numbers and tokens are plain ASCII,
    and are checked afterwards.
    """
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1")
