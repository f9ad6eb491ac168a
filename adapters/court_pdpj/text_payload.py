"""Unwrap the court's text of a document, which comes bare, as a JSON string, or in a JSON object."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from adapters.court_pdpj.bodies import parse_json
from adapters.court_pdpj.bounded_json import InvalidJson, UnreadableBody
from domain.errors import DocumentFailure, FailureCode

# A body that may be JSON is buffered to its end. Texts have a few kilobytes, rarely some hundred.
_MAX_WRAPPED_BYTES = 8 * 1024**2
_TEXT_KEYS = ("texto", "conteudo", "content", "text")


async def unwrap_text(body: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield the text alone: in UTF-8 if it was wrapped in JSON, otherwise byte for byte as it came.

    A bare text is streamed through. A body that begins like JSON is buffered, up to 8 MiB. If it is not JSON, or
    JSON without a text, it is yielded as it came: the check of the content decides what it is.

    Raises:
        DocumentFailure: The text is wrapped, and too large to be unwrapped.
    """
    buffer = bytearray()
    async with aclosing(body) as chunks:
        async for chunk in chunks:
            buffer += chunk
            start = buffer[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
            if start and start not in b'"{':
                yield bytes(buffer)
                async for chunk in chunks:
                    yield chunk
                return
            if len(buffer) > _MAX_WRAPPED_BYTES:
                raise DocumentFailure(
                    FailureCode.TOO_LARGE,
                    f"The court's text is wrapped and larger than {_MAX_WRAPPED_BYTES} bytes.",
                )
        if buffer:
            yield await _extract_text(bytes(buffer))


async def _extract_text(body: bytes) -> bytes:
    with suppress(InvalidJson, UnreadableBody, UnicodeDecodeError):
        body.decode()
        value = await parse_json(body, max_string_bytes=_MAX_WRAPPED_BYTES)
        if isinstance(value, dict):
            value = _find_text(value)
        if isinstance(value, str):
            return value.encode(errors="replace")
    return body


def _find_text(wrapper: dict[str, object]) -> str | None:
    values = [wrapper[key] for key in _TEXT_KEYS if key in wrapper]
    texts = [value for value in values if isinstance(value, str)]
    # A known key whose value is null says that the text is empty.
    empty = "" if values and all(value is None for value in values) else None
    return texts[0] if texts else empty
