"""Documents that are no PDF become pages; hostile ones reach nothing and take no more than their limits."""

from __future__ import annotations

import asyncio
import base64
import errno
import io
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from adapters.bundles import conversion
from adapters.bundles.conversion import convert
from adapters.sandbox import Limits
from domain.bundle_contents import OmissionReason
from domain.errors import BundleNotBuilt
from tests.support.bundle_pieces import read_pages

ACCENTS = "Petição inicial: ação de cobrança – juízo da 1ª Vara, § 2º"


async def pages_of(body: bytes, media_type: str, folder: Path) -> list[str] | OmissionReason:
    """Convert bytes. Returns the text of the pages, or why there are none."""
    source, output, scratch = folder / "source", folder / "out.pdf", folder / "scratch"
    source.write_bytes(body)
    scratch.mkdir(exist_ok=True)
    reason = await convert(source, media_type, output, scratch)
    assert [*scratch.iterdir()] == []
    if reason is not None:
        assert not output.exists()
        return reason
    return read_pages(output)


def image_bytes(kind: str, mode: str = "RGB", size: tuple[int, int] = (60, 40), frames: int = 1) -> bytes:
    """Return an image."""
    images = [Image.new(mode, size, (index * 40) % 200 if mode in ("L", "1") else None) for index in range(frames)]
    buffer = io.BytesIO()
    extra = {"save_all": True, "append_images": images[1:]} if frames > 1 else {}
    images[0].save(buffer, kind, **extra)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (f"<html><body><h1>{ACCENTS}</h1><p>texto".encode(), "text/html"),
        (f'<meta charset="iso-8859-1"><p>{ACCENTS.replace("–", "-")}'.encode("latin-1"), "text/html; charset=x"),
        (ACCENTS.encode(), "text/plain"),
        (ACCENTS.encode("cp1252"), "text/plain"),
        (ACCENTS.encode("utf-16"), "text/csv"),
        (rb"{\rtf1\ansi\ansicpg1252 Peti\'e7\'e3o inicial: a\'e7\'e3o de cobran\'e7a\par}", "application/rtf"),
    ],
)
async def test_texts_become_pages_with_accents(body: bytes, media_type: str, tmp_path: Path) -> None:
    pages = await pages_of(body, media_type, tmp_path)
    assert isinstance(pages, list)
    with pikepdf.open(tmp_path / "out.pdf") as pdf:
        assert pdf.check_pdf_syntax() == []
    assert "Petição inicial: ação de cobrança" in " ".join(" ".join(pages).split())
    assert "Convertido de" in pages[0]


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (image_bytes("JPEG"), "image/jpeg", 1),
        (image_bytes("PNG", "RGBA"), "image/png", 1),
        (image_bytes("PNG", "I;16"), "image/png", 1),
        (image_bytes("TIFF", "1", (1700, 2200), frames=5), "image/tiff", 5),
        (image_bytes("GIF", "L", frames=4), "image/gif", 1),
        (image_bytes("JPEG", "CMYK"), "image/jpeg", 1),
        (image_bytes("WEBP"), "image/webp", 1),
    ],
)
async def test_images_become_pages(body: bytes, media_type: str, expected: int, tmp_path: Path) -> None:
    pages = await pages_of(body, media_type, tmp_path)
    assert isinstance(pages, list)
    assert len(pages) == expected


async def test_what_cannot_be_converted_has_a_reason(tmp_path: Path) -> None:
    for body, media_type, reason in (
        (b"", "text/html", OmissionReason.EMPTY),
        (b"  \n ", "text/plain", OmissionReason.EMPTY),
        (b"x" * 9 * 1024**2, "text/plain", OmissionReason.TOO_LARGE),
        (b"\xff\xd8\xff\xe0 no image", "image/jpeg", OmissionReason.DAMAGED),
        (image_bytes("JPEG")[:200], "image/jpeg", OmissionReason.DAMAGED),
        (b"PK\x03\x04", "application/msword", OmissionReason.UNSUPPORTED),
        (image_bytes("PNG", "1", (40_000, 40_000)), "image/png", OmissionReason.TOO_LARGE),
    ):
        assert await pages_of(body, media_type, tmp_path) is reason


@contextmanager
def listening() -> Iterator[tuple[int, list[object]]]:
    """Listen on a port. Yields it, and the list of who has connected."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    callers.append(server.accept()[1])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], callers
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


async def test_hostile_html_reaches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SEGREDO-DO-DISCO")
    monkeypatch.setenv("AUTOS_SECRET_KEY", "SEGREDO-DO-AMBIENTE")
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:{0}/svg"/></svg>'
    with listening() as (port, callers):
        there = f"http://127.0.0.1:{port}"
        html = f"""<!DOCTYPE html [<!ENTITY x SYSTEM "file://{secret}">]>
        <html><head><base href="{there}/base/"><link rel=stylesheet href="{there}/style.css">
        <link rel=attachment href="file://{secret}"><style>@import "{there}/import.css";
        @font-face {{ font-family: x; src: url({there}/font) }}
        body {{ background: url({there}/bg); font-family: x }}
        p::before {{ content: url(file://{secret}) }}</style><script src="{there}/script"></script></head>
        <body><p>corpo da página &x;</p><img src="{there}/img"><img src="file://{secret}"><img src=relative.png>
        <iframe src="file://{secret}"></iframe><object data="{there}/object"></object><embed src="{there}/embed">
        <img src="data:image/svg+xml;base64,{base64.b64encode(svg.format(port).encode()).decode()}">
        {svg.format(port)}<img src="ftp://127.0.0.1:{port}/x"><img src="//127.0.0.1:{port}/y"></body></html>"""
        pages = await pages_of(html.encode(), "text/html", tmp_path)
        assert callers == []
    assert isinstance(pages, list)
    assert "corpo da página" in " ".join(pages)
    assert b"SEGREDO" not in (tmp_path / "out.pdf").read_bytes()
    with pikepdf.open(tmp_path / "out.pdf") as pdf:
        assert list(pdf.attachments) == []
        assert not any("SEGREDO" in page for page in pages)


async def test_an_image_inside_the_html_is_shown(tmp_path: Path) -> None:
    image = base64.b64encode(image_bytes("PNG")).decode()
    pages = await pages_of(
        f'<p>brasão</p><img src="data:image/png;base64,{image}">'.encode(), "text/html", tmp_path
    )
    assert isinstance(pages, list)
    with pikepdf.open(tmp_path / "out.pdf") as pdf:
        streams = [each for each in pdf.objects if isinstance(each, pikepdf.Stream)]
        assert [each.get("/Width") for each in streams if each.get("/Subtype") == "/Image"] == [60]


@pytest.mark.parametrize(
    "body",
    [
        b"<div>" * 50_000 + b"fundo da pilha",
        b"<table><tr><td>" * 3_000 + b"fundo da pilha",
        b"<style>" + b"p:not(p)," * 20_000 + b"p{}</style><p>fundo da pilha",
        b"<p style='width: 1e30mm; height: 1e30mm; margin: -1e30mm'>fundo da pilha",
    ],
    ids=["nested", "nested tables", "selectors", "sizes"],
)
async def test_exhausting_html_is_bounded_and_its_text_is_kept(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(memory_bytes=1024**3, cpu_seconds=8, wall_seconds=60, file_bytes=64 * 1024**2)
    monkeypatch.setattr(conversion, "_LIMITS", limits)
    before = os.times()
    pages = await pages_of(body, "text/html", tmp_path)
    after = os.times()
    assert isinstance(pages, list)
    assert after.children_user + after.children_system - before.children_user - before.children_system < 24


@pytest.mark.skipif(sys.platform != "linux", reason="finds the program in /proc")
@pytest.mark.parametrize("stopped_by", [signal.SIGHUP, signal.SIGTERM])
async def test_a_conversion_that_is_interrupted_says_nothing_about_the_document(
    stopped_by: signal.Signals, tmp_path: Path
) -> None:
    # Under nohup, the tests ignore SIGHUP, and programs inherit that.
    handled = signal.signal(stopped_by, signal.SIG_DFL)
    converting = asyncio.ensure_future(pages_of(b"<p>lento</p>" * 20_000, "text/html", tmp_path))
    async with asyncio.timeout(30):
        # Nobody tells that the program has begun.
        while (program := find_program(tmp_path)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    signal.signal(stopped_by, handled)
    os.kill(program, stopped_by)
    with pytest.raises(BundleNotBuilt):
        await converting
    assert not (tmp_path / "out.pdf").exists()


async def test_a_conversion_that_fails_for_lack_of_room_says_nothing_about_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "_LIMITS", Limits(1024**3, cpu_seconds=8, wall_seconds=60, file_bytes=100))
    assert await pages_of(b"texto", "text/plain", tmp_path) is OmissionReason.NOT_CONVERTED
    # More than any disk has.
    monkeypatch.setattr(conversion, "_NEARLY_FULL_BYTES", 2**62)
    with pytest.raises(OSError, match="No space") as failed:
        await pages_of(b"texto", "text/plain", tmp_path)
    assert failed.value.errno == errno.ENOSPC


def find_program(folder: Path) -> int | None:
    """Return the id of the program that converts a file in a folder, if it runs."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_bytes()
            if b"sandbox_program" in command and bytes(folder) in command:
                return int(process.name)
    return None
