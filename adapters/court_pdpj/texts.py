"""The court's text of a document, which comes bare, as a JSON string, or inside a JSON object."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from adapters.court_pdpj.bodies import parse_json
from adapters.court_pdpj.bounded_json import NotJson, UnreadableBody
from domain.errors import DocumentFailure, FailureCode

# What may be JSON is held until its end. Texts are a few kilobytes, rarely some hundred.
_MAX_WRAPPED_BYTES = 8 * 1024**2
_KEYS = ("texto", "conteudo", "content", "text")


async def unwrapped(answer: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The text alone, in UTF-8 if it was wrapped, else byte for byte as it came.

    A bare text flows through. What begins as JSON does is held, up to 8 MiB; if it turns out to be no JSON, or
    JSON without a text, it is given as it came: whoever judges the bytes says what that means.

    Raises:
        DocumentFailure: the text is wrapped, and too large to be unwrapped.
    """
    held = bytearray()
    async with aclosing(answer) as chunks:
        async for chunk in chunks:
            held += chunk
            start = held[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if start and start not in b'"{':
                yield bytes(held)
                async for rest in chunks:
                    yield rest
                return
            if len(held) > _MAX_WRAPPED_BYTES:
                raise DocumentFailure(
                    FailureCode.TOO_LARGE,
                    f"The court's text is wrapped and larger than {_MAX_WRAPPED_BYTES} bytes.",
                )
        if held:
            yield await _text_in(bytes(held))


async def _text_in(body: bytes) -> bytes:
    with suppress(NotJson, UnreadableBody, UnicodeDecodeError):
        body.decode()
        value = await parse_json(body, longest_text=_MAX_WRAPPED_BYTES)
        if isinstance(value, dict):
            value = _named_text(value)
        if isinstance(value, str):
            return value.encode(errors="replace")
    return body


def _named_text(wrapper: dict[str, object]) -> str | None:
    named = [wrapper[key] for key in _KEYS if key in wrapper]
    texts = [value for value in named if isinstance(value, str)]
    # A name with null behind it says that there is no text.
    empty = "" if named and all(value is None for value in named) else None
    return texts[0] if texts else empty
