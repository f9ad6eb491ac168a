"""Text that people bring: standard input and files, in the encodings that their programs write."""

from __future__ import annotations

import codecs
import sys


def read_standard_input() -> str:
    """Return what is on standard input, decoded as ``decode_text`` does."""
    return decode_text(sys.stdin.buffer.read())


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
