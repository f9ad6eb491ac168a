"""A JSON parser whose memory, depth and time without a pause are bounded, whatever it is given.

The parser of the standard library holds the interpreter's lock from the first byte to the last, so a thread does
not keep the event loop alive. This one is Python, which hands the lock on by itself, and each call into C that it
makes sees a small piece of the body. It takes about a tenth of a millisecond for each document of a process.
"""

from __future__ import annotations

import json
import re
import sys

# A process of ten thousand documents has about a quarter of a million.
MOST_VALUES = 500_000
DEEPEST = 100
# Of the body and all that it says together, as Python holds them. What grows takes up to half as much again.
MOST_MEMORY = 68 * 1024**2
LONGEST_TEXT = 1024**2
# Keys that are kept once, however often they come.
_SHARED_KEYS = 1_000
_LONGEST_NUMBER = 400
_LONGEST_MATCH = 65_536

_BLANKS = re.compile(rb"[ \t\n\r]{0,65536}+")
_TAIL = re.compile(rb"[\0 \t\n\r]{0,65536}+")
_PLAIN = re.compile(rb'[^"\\]{0,65536}+')
_ESCAPED = re.compile(rb'(?:[^"\\]|\\.){0,65536}+', re.DOTALL)
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,65536}+)(\.[0-9]{1,65536}+)?([eE][-+]?[0-9]{1,65536}+)?")
_WORD = re.compile(rb"true|false|null|NaN|-?Infinity")
_UNESCAPING = json.JSONDecoder(strict=False)
_WORDS: dict[bytes, object] = {
    b"true": True,
    b"false": False,
    b"null": None,
    b"NaN": float("nan"),
    b"Infinity": float("inf"),
    b"-Infinity": float("-inf"),
}
_QUOTE, _COMMA, _COLON = b'",:'
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = b"[]{}"
# What a container takes by itself, and what each thing in it adds beside its own size.
_LIST_SIZE, _OBJECT_SIZE = sys.getsizeof([]) + 16, sys.getsizeof({"": 0})
_ENTRY_SIZE, _MEMBER_SIZE = 10, 32


class UnreadableBody(Exception):
    """A body that is not read any further. The text says why, in the words of a failure's answer."""


class NotJson(Exception):
    """A body that is no JSON."""


class BoundedParser:
    """Parses one body. Lenient as the courts' systems need it.

    Raw control characters in texts, NUL behind the end, and bytes that the encoding does not know are accepted.
    Integers of more than 400 digits are None.

    Args:
        body: The JSON, in an encoding that keeps ASCII as it is.
        encoding: Of the texts.
        longest_text: How many bytes one text may have.
    """

    def __init__(self, body: bytes | bytearray, encoding: str = "utf-8", longest_text: int = LONGEST_TEXT) -> None:
        self._body = body
        self._encoding = encoding
        self._longest_text = longest_text
        self._place = 0
        self._values = 0
        self._memory = len(body)
        self._keys: dict[str, str] = {}

    def parse(self) -> object:
        """Return what the body says.

        Raises:
            UnreadableBody: It is beyond one of the bounds.
            NotJson: It is no JSON.
        """
        if self._body.startswith(b"\xef\xbb\xbf"):
            self._place = 3
        root = self._whole()
        self._pass(_TAIL)
        if self._place != len(self._body):
            raise NotJson
        return root

    def _whole(self) -> object:
        """Return one value with all that is in it. Without recursion: depth costs no stack."""
        self._next()
        value, unclosed = self._value()
        if not unclosed:
            return value
        root, stack = value, [value]
        while stack:
            inner = stack[-1]
            if isinstance(inner, dict):
                key = self._key()
                value, unclosed = self._value()
                inner[key] = value
                self._charge(_MEMBER_SIZE)
            elif isinstance(inner, list):
                value, unclosed = self._value()
                inner.append(value)
                self._charge(_ENTRY_SIZE)
            if len(stack) == DEEPEST and isinstance(value, list | dict):
                raise UnreadableBody(f"The court's answer nests more than {DEEPEST} levels deep.")
            if unclosed:
                stack.append(value)
            else:
                self._close(stack)
        return root

    def _close(self, stack: list[object]) -> None:
        """Leave what ends here, up to the next comma."""
        while stack:
            mark = self._next()
            self._place += 1
            if mark == _COMMA:
                self._next()
                return
            if mark != (_CLOSE_OBJECT if isinstance(stack[-1], dict) else _CLOSE_LIST):
                raise NotJson
            stack.pop()

    def _key(self) -> str:
        if self._next() != _QUOTE:
            raise NotJson
        key = self._text()
        if self._next() != _COLON:
            raise NotJson
        self._place += 1
        self._next()
        shared = self._keys.get(key)
        if shared is not None:
            return shared
        self._charge(sys.getsizeof(key))
        if len(self._keys) < _SHARED_KEYS:
            self._keys[key] = key
        return key

    def _value(self) -> tuple[object, bool]:
        """Return the value that begins here, and whether it is a list or an object that goes on."""
        self._values += 1
        if self._values > MOST_VALUES:
            raise UnreadableBody(f"The court's answer holds more than {MOST_VALUES} values.")
        mark = self._at()
        if mark == _QUOTE:
            text = self._text()
            self._charge(sys.getsizeof(text))
            return text, False
        if mark not in (_OPEN_LIST, _OPEN_OBJECT):
            return self._scalar(), False
        self._place += 1
        self._charge(_LIST_SIZE if mark == _OPEN_LIST else _OBJECT_SIZE)
        empty = self._next() == (_CLOSE_LIST if mark == _OPEN_LIST else _CLOSE_OBJECT)
        if empty:
            self._place += 1
        return ([] if mark == _OPEN_LIST else {}), not empty

    def _text(self) -> str:
        start = self._place = self._place + 1
        escaped = False
        while True:
            moved = self._skip(_ESCAPED if escaped else _PLAIN)
            if self._place - start > self._longest_text:
                raise UnreadableBody(f"The court's answer holds a text of more than {self._longest_text} bytes.")
            if self._at() == _QUOTE:
                break
            # A backslash that nothing follows.
            if escaped and not moved:
                raise NotJson
            escaped = True
        raw = bytes(self._body[start : self._place])
        self._place += 1
        text = raw.decode(self._encoding, "replace")
        if escaped:
            try:
                text = str(_UNESCAPING.decode(f'"{text}"'))
            except ValueError:
                raise NotJson from None
        return text

    def _scalar(self) -> object:
        word = _WORD.match(self._body, self._place)
        if word is not None:
            self._place = word.end()
            return _WORDS[word.group()]
        number = _NUMBER.match(self._body, self._place)
        if number is None:
            raise NotJson
        self._place = number.end()
        fraction, exponent = number.groups()
        digits = number.group()
        if len(digits) > _LONGEST_MATCH:
            raise UnreadableBody(f"The court's answer holds a number of more than {_LONGEST_MATCH} digits.")
        if fraction or exponent:
            value: float | None = float(digits)
        else:
            value = int(digits) if len(digits) <= _LONGEST_NUMBER else None
        self._charge(sys.getsizeof(value))
        return value

    def _charge(self, size: int) -> None:
        self._memory += size
        if self._memory > MOST_MEMORY:
            raise UnreadableBody(f"The court's answer takes more than {MOST_MEMORY} bytes of memory.")

    def _at(self) -> int:
        if self._place >= len(self._body):
            raise NotJson
        return self._body[self._place]

    def _next(self) -> int:
        """Pass blanks, and return the byte behind them."""
        if self._body[self._place : self._place + 1] in (b" ", b"\n", b"\r", b"\t"):
            self._pass(_BLANKS)
        return self._at()

    def _pass(self, blanks: re.Pattern[bytes]) -> None:
        # In pieces, however many there are: see above.
        while self._skip(blanks) == _LONGEST_MATCH:
            pass

    def _skip(self, pattern: re.Pattern[bytes]) -> int:
        """Pass what matches here, and return how many bytes that were."""
        match = pattern.match(self._body, self._place)
        if match is None:
            return 0
        moved, self._place = match.end() - self._place, match.end()
        return moved
