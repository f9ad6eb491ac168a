"""The data folder: created private, locked by one stack, and its file of local values."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack.data_folder import lock_data_folder, read_local_values, write_local_values
from domain.errors import ConfigurationError
from settings import load_settings
from tests.support.paths import ROOT


async def test_the_folder_is_created_private(tmp_path: Path) -> None:
    os.close(await lock_data_folder(tmp_path / "new"))

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_a_folder_is_locked_by_one_stack(tmp_path: Path) -> None:
    lock = await lock_data_folder(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"in use by another local stack \(PID {os.getpid()}\)"):
        await lock_data_folder(tmp_path)
    os.close(lock)

    os.close(await lock_data_folder(tmp_path))


def test_a_new_stack_waits_for_the_services_of_a_killed_one(tmp_path: Path) -> None:
    # Locks the folder, hands the lock to a child that ends with its standard input, and is killed.
    script = (
        "import asyncio, os, signal, subprocess, sys; from pathlib import Path\n"
        "from devstack.data_folder import lock_data_folder\n"
        f"lock = asyncio.run(lock_data_folder(Path({str(tmp_path)!r})))\n"
        "subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], pass_fds=[lock])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE)
    killed.wait()

    async def lock_while_the_child_ends() -> int:
        assert killed.stdin is not None
        asyncio.get_running_loop().call_later(0.3, killed.stdin.close)
        return await lock_data_folder(tmp_path)

    os.close(asyncio.run(lock_while_the_child_ends()))


@pytest.mark.parametrize("below", ["", "below"])
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"data folder .* cannot be written .*--data-dir"):
        await lock_data_folder(tmp_path / "file" / below)


def test_local_values_are_private_and_read_by_the_settings(tmp_path: Path) -> None:
    write_local_values(tmp_path, {"api_port": 1234})
    write_local_values(tmp_path, {"api_port": 4321, "webhook_secret": "whsec_AAAA"})

    assert [path.name for path in tmp_path.iterdir()] == ["local.json"]
    assert (tmp_path / "local.json").stat().st_mode & 0o777 == 0o600
    assert read_local_values(tmp_path) == {"api_port": 4321, "webhook_secret": "whsec_AAAA"}
    assert load_settings(data_dir=tmp_path).api_port == 4321


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_a_broken_file_of_local_values_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "local.json").write_text(content, encoding="utf-8", errors="surrogateescape")

    with pytest.raises(ConfigurationError, match=r"local\.json cannot be read: remove it"):
        read_local_values(tmp_path)


def test_a_new_folder_has_no_local_values(tmp_path: Path) -> None:
    assert read_local_values(tmp_path / "none") == {}
