"""ZIP archives, as other programs read them."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.zip_format import ZipEntry, archive_size, directory, local_header

NOW = datetime(2026, 3, 4, 12, 34, 56, tzinfo=UTC)


def build_archive(contents: dict[str, bytes], moment: datetime = NOW) -> bytes:
    """Return an archive with these files."""
    entries = [ZipEntry(name, len(content), moment) for name, content in contents.items()]
    checksums = [zlib.crc32(content) for content in contents.values()]
    parts = [
        local_header(entry, checksum) + content
        for entry, checksum, content in zip(entries, checksums, contents.values(), strict=True)
    ]
    archive = b"".join(parts) + directory(entries, checksums)
    assert len(archive) == archive_size(entries)
    return archive


NAMES = st.text(st.characters(exclude_categories=["C"], exclude_characters="/\\"), min_size=1, max_size=200)


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=5))
def test_the_standard_library_reads_every_archive(contents: dict[str, bytes]) -> None:
    with ZipFile(io.BytesIO(build_archive(contents))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == contents
        for info in archive.infolist():
            assert (info.compress_type, info.flag_bits) == (zipfile.ZIP_STORED, 0x800)
            assert info.date_time == (2026, 3, 4, 12, 34, 56)


@pytest.mark.parametrize(("year", "stated"), [(1901, 1980), (1980, 1980), (2107, 2107), (2300, 2107)])
def test_years_outside_the_format_are_moved_into_it(year: int, stated: int) -> None:
    archive = ZipFile(io.BytesIO(build_archive({"a": b""}, NOW.replace(year=year))))
    assert archive.infolist()[0].date_time[0] == stated


def test_unzip_finds_no_error(tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("There is no program unzip.")
    path = tmp_path / "a.zip"
    path.write_bytes(
        build_archive({"001 - Petição 文.pdf": b"%PDF-1.4", "002 - b.txt": b"", "000.txt": b"x" * 70_000})
    )
    tested = subprocess.run([unzip, "-t", str(path)], capture_output=True, text=True, check=True)
    assert "No errors detected" in tested.stdout


def test_entries_and_offsets_above_four_gigabytes(tmp_path: Path) -> None:
    # A sparse file: only its headers take space.
    sizes = {"a": 2**32 - 2, "b": 2**32 - 1, "c": 2**32 + 5, "d": 3}
    entries = [ZipEntry(name, size, NOW) for name, size in sizes.items()]
    checksums = [0, 0, 0, zlib.crc32(b"end")]
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        for entry, checksum in zip(entries, checksums, strict=True):
            file.write(local_header(entry, checksum))
            if entry.name == "d":
                file.write(b"end")
            else:
                file.seek(entry.size_bytes, io.SEEK_CUR)
        file.write(directory(entries, checksums))
    assert path.stat().st_size == archive_size(entries)
    with ZipFile(path) as archive:
        assert {info.filename: info.file_size for info in archive.infolist()} == sizes
        assert archive.read("d") == b"end"
        for name in ("a", "b", "c"):
            with archive.open(name) as opened:
                assert opened.read(10) == bytes(10)


def test_more_entries_than_sixteen_bits_can_count() -> None:
    contents = {f"{number:05}": b"" for number in range(65_536)}
    with ZipFile(io.BytesIO(build_archive(contents))) as archive:
        assert len(archive.namelist()) == 65_536
