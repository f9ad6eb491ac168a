"""The court's text of a document, however it is wrapped."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj.text_payload import unwrap_text
from domain.errors import DocumentFailure, FailureCode

TEXT = 'Vistos.\r\n"Diante\u00a0do exposto", julgo procedente.\x00\x1a\n'


async def chunks(body: bytes, size: int) -> AsyncGenerator[bytes, None]:
    """Yield a body in chunks of this size."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def read(body: bytes, size: int = 7) -> bytes:
    """Return the unwrapped text of a body."""
    return b"".join([chunk async for chunk in unwrap_text(chunks(body, size))])


@pytest.mark.parametrize(
    "wrapped",
    [
        TEXT.encode(),
        json.dumps(TEXT).encode(),
        json.dumps(TEXT, ensure_ascii=False).encode(),
        b"\xef\xbb\xbf \r\n" + json.dumps(TEXT).encode() + b"\r\n",
        *(json.dumps({key: TEXT, "tamanho": 1}).encode() for key in ("texto", "conteudo", "content", "text")),
        json.dumps({"texto": None, "conteudo": TEXT}).encode(),
    ],
)
async def test_a_text_is_unwrapped(wrapped: bytes) -> None:
    assert await read(wrapped) == TEXT.encode()


@pytest.mark.parametrize("wrapped", [b"", b'""', b'{"texto": ""}', b'{"texto": null}'])
async def test_an_empty_text_is_empty(wrapped: bytes) -> None:
    assert await read(wrapped) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"  Vistos.",
        b'"Vistos", disse o juiz.',
        b"{Assinado eletronicamente}",
        b'{"status": "MANUTENCAO"}',
        b'{"texto": 1}',
        b"[1] Vistos.",
        b'"' + "ção".encode("latin-1") + b'"',
        b'{"texto": ' * 3000,
        "Decisão em latim".encode("latin-1"),
        b" ",
    ],
)
async def test_a_body_without_a_wrapped_text_is_unchanged(body: bytes) -> None:
    assert await read(body) == body


@given(st.text(), st.integers(1, 50), st.booleans())
async def test_any_text_is_unwrapped_unchanged(text: str, size: int, ascii_only: bool) -> None:
    for value in (text, {"texto": text}):
        body = json.dumps(value, ensure_ascii=ascii_only).encode()
        assert await read(body, size) == text.encode()


async def test_a_bare_text_of_any_size_is_streamed() -> None:
    given_out = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal given_out
        while True:
            given_out += 1
            yield b"Vistos. " * 8192

    texts = unwrap_text(endless())
    for _ in range(400):
        await anext(texts)
    assert given_out == 400
    await texts.aclose()


async def test_a_wrapped_text_is_buffered_up_to_a_limit() -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        yield b'"'
        while True:
            yield b"Vistos. " * 131_072

    with pytest.raises(DocumentFailure) as refused:
        await anext(unwrap_text(endless()))
    assert refused.value.code is FailureCode.TOO_LARGE
