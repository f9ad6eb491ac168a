"""Saving a bundle: it waits, goes on where a download broke off, and never gives a wrong file its name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import httpx2
import pytest

from autos_client import BundleFailed, NotFound, TookTooLong
from tests.integration.client.scripted import NUMBER, STORE, Handler, Pieces, Script, byte_stream, json_answer

CONTENT = bytes(range(256)) * 40
BUNDLE_ID = "ab" * 32
ROUTES = f"POST /processes/{NUMBER}/bundles", f"GET /processes/{NUMBER}/bundles/{BUNDLE_ID}"
LINK = f"{STORE}/bundle.pdf"
FILE = "GET /bundle.pdf"


def bundle(state: str = "ready", **changes: Any) -> dict[str, Any]:
    """Return the body of a bundle."""
    is_ready = state == "ready"
    return {
        "id": BUNDLE_ID,
        "process_number": NUMBER,
        "state": state,
        "format": "pdf",
        "created_at": "2026-01-31T12:00:00Z",
        "bytes": len(CONTENT) if is_ready else None,
        "sha256": hashlib.sha256(CONTENT).hexdigest() if is_ready else None,
        "download_url": LINK if is_ready else None,
        "omitted": [] if is_ready else None,
        **changes,
    }


def serve(request: httpx2.Request) -> httpx2.Response:
    """Serve the file as a store does, from any byte on."""
    wanted = request.headers.get("range")
    if wanted is None:
        return httpx2.Response(200, stream=Pieces([CONTENT[:5000], CONTENT[5000:]]))
    rest = CONTENT[int(wanted.removeprefix("bytes=").rstrip("-")) :]
    return httpx2.Response(206, stream=Pieces([rest[:100], rest[100:]]))


def script_with(*files: Handler, states: tuple[str, ...] = ("ready",)) -> Script:
    """Return a script whose bundle goes through states, and whose store answers so."""
    script = Script()
    script.on(ROUTES[0], json_answer(bundle(states[0]), 202 if states[0] == "building" else 200))
    script.on(ROUTES[1], *(json_answer(bundle(state)) for state in states[1:] or states))
    script.on(FILE, *files)
    return script


async def save(script: Script, path: Path, *, is_async: bool, **options: Any) -> None:
    """Save the bundle with one of both clients."""
    if is_async:
        async with script.async_client() as autos:
            await autos.save_bundle(NUMBER, path, **options)
    else:
        with script.client() as client:
            client.save_bundle(NUMBER, path, **options)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_bundle_is_saved_when_it_is_ready(tmp_path: Path, is_async: bool) -> None:
    script = script_with(serve, states=("building", "building", "ready"))
    path = tmp_path / "new" / "autos.pdf"
    await save(script, path, is_async=is_async, instances=["G1"], order="listed")
    assert path.read_bytes() == CONTENT
    assert [each.name for each in path.parent.iterdir()] == ["autos.pdf"]
    assert script.requests[0].read() == b'{"format":"pdf","instances":["G1"],"order":"listed"}'
    [fetched] = script.requests_to(FILE)
    assert "authorization" not in fetched.headers
    # A file that is there already is not fetched again.
    await save(script, path, is_async=is_async)
    assert len(script.requests_to(FILE)) == 1


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("ignores_range", [False, True])
async def test_a_download_goes_on_where_it_broke_off(tmp_path: Path, is_async: bool, ignores_range: bool) -> None:
    script = script_with(byte_stream(CONTENT[:2000], CONTENT[2000:]) if ignores_range else serve)
    path = tmp_path / "autos.pdf"
    path.with_name(f"autos.pdf.{BUNDLE_ID[:16]}.part").write_bytes(CONTENT[:3000])
    await save(script, path, is_async=is_async)
    assert path.read_bytes() == CONTENT
    assert script.requests_to(FILE)[0].headers["range"] == "bytes=3000-"


async def test_a_part_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    script = script_with(serve)
    path = tmp_path / "autos.pdf"
    path.with_name(f"autos.pdf.{BUNDLE_ID[:16]}.part").write_bytes(b"x" * 3000)
    await save(script, path, is_async=False)
    assert path.read_bytes() == CONTENT
    assert [request.headers.get("range") for request in script.requests_to(FILE)] == ["bytes=3000-", None]


async def test_wrong_bytes_never_get_the_files_name(tmp_path: Path) -> None:
    script = script_with(byte_stream(CONTENT[::-1]))
    with pytest.raises(BundleFailed, match="damaged"):
        await save(script, tmp_path / "autos.pdf", is_async=False)
    assert not any(Path.iterdir(tmp_path))


async def test_another_file_of_that_name_is_replaced_only_when_asked(tmp_path: Path) -> None:
    script = script_with(serve)
    path = tmp_path / "autos.pdf"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        await save(script, path, is_async=False)
    assert path.read_bytes() == b"mine"
    await save(script, path, is_async=False, overwrite=True)
    assert path.read_bytes() == CONTENT


async def test_a_build_that_fails_or_takes_too_long_is_an_error(tmp_path: Path) -> None:
    failure = {"code": "scratch_full", "answer": "The disk is full."}
    script = script_with(serve, states=("building", "building"))
    with pytest.raises(TookTooLong):
        await save(script, tmp_path / "autos.pdf", is_async=False, timeout=0.0)
    script.on(ROUTES[1], json_answer(bundle("failed", failure=failure)))
    with pytest.raises(BundleFailed, match="The disk is full") as failed:
        await save(script, tmp_path / "autos.pdf", is_async=False)
    assert failed.value.code == "scratch_full"
    script.on(ROUTES[0], json_answer({"code": "process_unknown", "detail": "unknown"}, 404))
    with pytest.raises(NotFound):
        await save(script, tmp_path / "autos.pdf", is_async=True)
