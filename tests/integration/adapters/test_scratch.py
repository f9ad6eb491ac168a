"""The scratch disk: a folder is gone when its block ends, and what a killed worker left is removed."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.scratch import ScratchDisk
from domain.errors import BundleFailureCode, BundleRefused

_KILLED = """
import os, signal, sys
from pathlib import Path
from adapters.scratch import ScratchDisk
with ScratchDisk(Path(sys.argv[1])).folder(0) as folder:
    (folder / "piece").write_bytes(b"%PDF")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def list_folders(disk: Path) -> list[Path]:
    """Return the folders on a disk."""
    return list(disk.glob("bundle-*"))


def test_a_folder_is_gone_when_its_block_ends(tmp_path: Path) -> None:
    disk = ScratchDisk(tmp_path / "scratch")
    with disk.folder(0) as folder:
        (folder / "work").mkdir()
        (folder / "work" / "piece").write_bytes(b"%PDF")
        assert list_folders(tmp_path / "scratch") == [folder]
    with pytest.raises(ValueError, match="broken"), disk.folder(0):
        raise ValueError("broken")
    assert list_folders(tmp_path / "scratch") == []


def test_the_next_folder_removes_what_a_killed_worker_left_and_nothing_else(tmp_path: Path) -> None:
    disk = ScratchDisk(tmp_path)
    (tmp_path / "another program's").mkdir()
    with disk.folder(0) as living:
        subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
        assert len(list_folders(tmp_path)) == 2
        with disk.folder(0) as own:
            assert sorted(list_folders(tmp_path)) == sorted([living, own])
    assert list_folders(tmp_path) == []
    assert (tmp_path / "another program's").exists()


def test_a_disk_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BundleRefused) as refused, ScratchDisk(tmp_path).folder(2**60):
        pytest.fail("the block must not begin")
    assert refused.value.code is BundleFailureCode.SCRATCH_FULL
    assert list_folders(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_is_the_same_failure(tmp_path: Path, number: int) -> None:
    with pytest.raises(BundleRefused) as refused, ScratchDisk(tmp_path).folder(0):
        raise OSError(number, "full")
    assert refused.value.code is BundleFailureCode.SCRATCH_FULL
    assert list_folders(tmp_path) == []


def test_other_errors_of_the_disk_are_passed_on(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), ScratchDisk(tmp_path).folder(0):
        raise PermissionError(errno.EACCES, "no")
