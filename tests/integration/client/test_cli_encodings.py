"""Numbers in the encodings that people's programs write, and output into those that their terminals read."""

from __future__ import annotations

import asyncio
import codecs
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import autos_client_cli
from autos_client_cli.process_numbers import canonical_number
from autos_client_cli.text_input import read_lines
from tests.integration.client.scripted import NUMBER, status_body
from tests.support.scripted_server import always, answer, scripted

# As people paste it: a dash, a hyphen that does not break, a soft one, an invisible blank, words, a comment.
PASTED = (
    f"{NUMBER.replace('-', '–', 1)}\r\n10117457720258110041\nProcesso nº {NUMBER} # ação\r"
    f'"{NUMBER}"\n\n# só um comentário\nProcesso… {NUMBER}'
)
UNICODE_ONLY = f"\u200f{NUMBER}\u200b\n{NUMBER.replace('-', chr(0x2011), 1)}\n"
ENCODED = {
    "utf-8": PASTED.encode(),
    "utf-8 with a mark": (PASTED + "\n" + UNICODE_ONLY).encode("utf-8-sig"),
    "utf-16 little-endian": codecs.BOM_UTF16_LE + (PASTED + "\n" + UNICODE_ONLY).encode("utf-16-le"),
    "utf-16 big-endian": codecs.BOM_UTF16_BE + PASTED.encode("utf-16-be"),
    "utf-32": PASTED.encode("utf-32"),
    "windows-1252": PASTED.encode("cp1252"),
    "latin-1": PASTED.replace("–", "-").replace("…", "").encode("latin-1"),
    # A program that was killed while it wrote the last character.
    "utf-16 cut short": PASTED.encode("utf-16")[: -len(" 1011745-77.2025.8.11.0041".encode("utf-16-le")) - 1],
}
ASCII_ONLY = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "cp850"},
]


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_numbers_are_read_in_every_usual_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str
) -> None:
    (tmp_path / "numbers.txt").write_bytes(ENCODED[name])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ENCODED[name]), encoding="ascii"))

    lines = read_lines("-" if source == "stdin" else str(tmp_path / "numbers.txt"))

    if name == "utf-16 cut short":
        lines = lines[:-1]
    assert len(lines) >= 4
    assert {canonical_number(line) for line in lines} == {NUMBER}


def run_client(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command with pipes for output."""
    return subprocess.run(
        [sys.executable, "-m", "autos_client_cli", *arguments],
        env={"PYTHONPATH": str(Path(autos_client_cli.__file__).parents[1]), "AUTOS_LANG": "pt", **variables},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("variables", ASCII_ONLY, ids=["ascii", "C locale", "cp850"])
async def test_output_that_the_encoding_lacks_is_replaced_and_nothing_crashes(variables: dict[str, str]) -> None:
    shown = {
        **status_body("completed", 3),
        "court": "Tribunal de Justiça — 日本 😀",
        "failures_by_code": {"ação": 1},
    }
    body = json.dumps(shown).encode()
    async with scripted(always(answer(200, body, content_type="application/json"))) as api:
        url = {"AUTOS_PUBLIC_URL": api.origin}
        text = await asyncio.to_thread(run_client, "status", NUMBER, **variables, **url)
        as_json = await asyncio.to_thread(run_client, "status", NUMBER, "--json", **variables, **url)
    page = await asyncio.to_thread(run_client, "get", "--help", **variables)
    refused = await asyncio.to_thread(run_client, "status", "日本 processo", **variables)

    assert (text.returncode, text.stderr) == (as_json.returncode, as_json.stderr) == (0, b"")
    assert b"Tribunal de Justi" in text.stdout
    assert json.loads(as_json.stdout)["court"] == shown["court"]
    assert (page.returncode, page.stderr) == (0, b"")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.startswith(b"autos-client: ")
    assert b"Traceback" not in refused.stderr
