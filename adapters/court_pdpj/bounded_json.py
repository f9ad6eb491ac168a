"""A JSON parser whose memory, depth and time without a pause are bounded, whatever the input.

The standard library's parser holds the GIL from the first byte to the last, so that even in a thread it blocks the
event loop. This one is written in Python, which releases the GIL regularly, and each of its calls into C sees a
small part of the body. It takes about a tenth of a millisecond for each document of a process.
"""

from __future__ import annotations

import json
import re
import sys

# A process of ten thousand documents has about a quarter of a million values.
MAX_VALUES = 500_000
MAX_DEPTH = 100
# The body and all parsed values together, as Python objects. While lists and dicts grow, they take up to half as
# much again.
MAX_MEMORY_BYTES = 68 * 1024**2
MAX_STRING_BYTES = 1024**2
# How many distinct keys are interned: kept once, however often they occur.
_MAX_INTERNED_KEYS = 1_000
_MAX_INTEGER_DIGITS = 400
# Each call of the C regex engine is bounded by this, also in the patterns below.
_MAX_MATCH_BYTES = 65_536

_WHITESPACE = re.compile(rb"[ \t\n\r]{0,65536}+")
_TRAILING = re.compile(rb"[\0 \t\n\r]{0,65536}+")
_UNESCAPED = re.compile(rb'[^"\\]{0,65536}+')
_ESCAPED = re.compile(rb'(?:[^"\\]|\\.){0,65536}+', re.DOTALL)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,65536}+)(\.[0-9]{1,65536}+)?([eE][-+]?[0-9]{1,65536}+)?")
_CONSTANT = re.compile(rb"true|false|null|NaN|-?Infinity")
_STRING_DECODER = json.JSONDecoder(strict=False)
_CONSTANTS: dict[bytes, object] = {
    b"true": True,
    b"false": False,
    b"null": None,
    b"NaN": float("nan"),
    b"Infinity": float("inf"),
    b"-Infinity": float("-inf"),
}
_QUOTE, _COMMA, _COLON = b'",:'
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = b"[]{}"
# The size of an empty container, and what each entry adds to it besides the size of the value itself.
_LIST_SIZE, _OBJECT_SIZE = sys.getsizeof([]) + 16, sys.getsizeof({"": 0})
_ENTRY_SIZE, _MEMBER_SIZE = 10, 32


class UnreadableBody(Exception):
    """A body that is not read any further. Its message becomes the `answer` of a domain error."""


class InvalidJson(Exception):
    """A body that is not JSON."""


class BoundedParser:
    """Parser of one body, as lenient as the courts' systems require.

    It accepts raw control characters in strings, NUL bytes after the end, and bytes that are invalid in the
    encoding. Integers of more than 400 digits become None.

    Args:
        body: The JSON, in an encoding that keeps ASCII as it is.
        encoding: The encoding of the strings.
        max_string_bytes: How many bytes one string may have.
    """

    def __init__(
        self, body: bytes | bytearray, encoding: str = "utf-8", max_string_bytes: int = MAX_STRING_BYTES
    ) -> None:
        self._body = body
        self._encoding = encoding
        self._max_string_bytes = max_string_bytes
        self._position = 0
        self._values = 0
        self._memory = len(body)
        self._interned_keys: dict[str, str] = {}

    def parse(self) -> object:
        """Return the parsed value.

        Raises:
            UnreadableBody: The body exceeds one of the bounds.
            InvalidJson: The body is not JSON.
        """
        if self._body.startswith(b"\xef\xbb\xbf"):
            self._position = 3
        root = self._parse_tree()
        self._skip_all(_TRAILING)
        if self._position != len(self._body):
            raise InvalidJson
        return root

    def _parse_tree(self) -> object:
        """Parse one value with everything in it. Not recursive, so depth costs no call stack."""
        self._next_byte()
        value, is_open = self._parse_value()
        if not is_open:
            return value
        root, stack = value, [value]
        while stack:
            container = stack[-1]
            if isinstance(container, dict):
                key = self._parse_key()
                value, is_open = self._parse_value()
                container[key] = value
                self._charge(_MEMBER_SIZE)
            elif isinstance(container, list):
                value, is_open = self._parse_value()
                container.append(value)
                self._charge(_ENTRY_SIZE)
            if len(stack) == MAX_DEPTH and isinstance(value, list | dict):
                raise UnreadableBody(f"The court's answer nests more than {MAX_DEPTH} levels deep.")
            if is_open:
                stack.append(value)
            else:
                self._close_containers(stack)
        return root

    def _close_containers(self, stack: list[object]) -> None:
        """Pop the containers that end here, then skip the comma after them."""
        while stack:
            byte = self._next_byte()
            self._position += 1
            if byte == _COMMA:
                self._next_byte()
                return
            if byte != (_CLOSE_OBJECT if isinstance(stack[-1], dict) else _CLOSE_LIST):
                raise InvalidJson
            stack.pop()

    def _parse_key(self) -> str:
        if self._next_byte() != _QUOTE:
            raise InvalidJson
        key = self._parse_string()
        if self._next_byte() != _COLON:
            raise InvalidJson
        self._position += 1
        self._next_byte()
        interned = self._interned_keys.get(key)
        if interned is not None:
            return interned
        self._charge(sys.getsizeof(key))
        if len(self._interned_keys) < _MAX_INTERNED_KEYS:
            self._interned_keys[key] = key
        return key

    def _parse_value(self) -> tuple[object, bool]:
        """Parse what begins here. Returns the value, and whether it is a list or an object with entries to come."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise UnreadableBody(f"The court's answer holds more than {MAX_VALUES} values.")
        byte = self._current_byte()
        if byte == _QUOTE:
            text = self._parse_string()
            self._charge(sys.getsizeof(text))
            return text, False
        if byte not in (_OPEN_LIST, _OPEN_OBJECT):
            return self._parse_scalar(), False
        self._position += 1
        self._charge(_LIST_SIZE if byte == _OPEN_LIST else _OBJECT_SIZE)
        empty = self._next_byte() == (_CLOSE_LIST if byte == _OPEN_LIST else _CLOSE_OBJECT)
        if empty:
            self._position += 1
        return ([] if byte == _OPEN_LIST else {}), not empty

    def _parse_string(self) -> str:
        start = self._position = self._position + 1
        escaped = False
        while True:
            skipped = self._skip(_ESCAPED if escaped else _UNESCAPED)
            if self._position - start > self._max_string_bytes:
                raise UnreadableBody(
                    f"The court's answer holds a string of more than {self._max_string_bytes} bytes."
                )
            if self._current_byte() == _QUOTE:
                break
            # A backslash at the end of the body.
            if escaped and not skipped:
                raise InvalidJson
            escaped = True
        raw = bytes(self._body[start : self._position])
        self._position += 1
        text = raw.decode(self._encoding, "replace")
        if escaped:
            try:
                text = str(_STRING_DECODER.decode(f'"{text}"'))
            except ValueError:
                raise InvalidJson from None
        return text

    def _parse_scalar(self) -> object:
        constant = _CONSTANT.match(self._body, self._position)
        if constant is not None:
            self._position = constant.end()
            return _CONSTANTS[constant.group()]
        number = _NUMBER.match(self._body, self._position)
        if number is None:
            raise InvalidJson
        self._position = number.end()
        fraction, exponent = number.groups()
        digits = number.group()
        if len(digits) > _MAX_MATCH_BYTES:
            raise UnreadableBody(f"The court's answer holds a number of more than {_MAX_MATCH_BYTES} digits.")
        if fraction or exponent:
            value: float | None = float(digits)
        else:
            value = int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else None
        self._charge(sys.getsizeof(value))
        return value

    def _charge(self, size: int) -> None:
        self._memory += size
        if self._memory > MAX_MEMORY_BYTES:
            raise UnreadableBody(f"The court's answer takes more than {MAX_MEMORY_BYTES} bytes of memory.")

    def _current_byte(self) -> int:
        if self._position >= len(self._body):
            raise InvalidJson
        return self._body[self._position]

    def _next_byte(self) -> int:
        """Skip whitespace, and return the byte after it."""
        if self._body[self._position : self._position + 1] in (b" ", b"\n", b"\r", b"\t"):
            self._skip_all(_WHITESPACE)
        return self._current_byte()

    def _skip_all(self, pattern: re.Pattern[bytes]) -> None:
        # Repeated, since one match is bounded by `_MAX_MATCH_BYTES`.
        while self._skip(pattern) == _MAX_MATCH_BYTES:
            pass

    def _skip(self, pattern: re.Pattern[bytes]) -> int:
        """Skip what matches here, and return its length in bytes."""
        match = pattern.match(self._body, self._position)
        if match is None:
            return 0
        skipped, self._position = match.end() - self._position, match.end()
        return skipped
