from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import ConfigurationError
from local.data_folder import claim, recall, remember
from settings import load_settings
from tests.local.conftest import ROOT


async def test_a_folder_is_made_private(tmp_path: Path) -> None:
    os.close(await claim(tmp_path / "new"))

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_a_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    lock = await claim(tmp_path)
    with pytest.raises(ConfigurationError, match=rf"in use by another local stack \(process {os.getpid()}\)"):
        await claim(tmp_path)
    os.close(lock)

    os.close(await claim(tmp_path))


def test_a_killed_stack_is_waited_for_until_the_last_of_its_children_is_gone(tmp_path: Path) -> None:
    # Takes the folder, hands the lock to a child that ends with its standard input, and is killed.
    script = (
        "import asyncio, os, signal, subprocess, sys; from pathlib import Path\n"
        "from local.data_folder import claim\n"
        f"lock = asyncio.run(claim(Path({str(tmp_path)!r})))\n"
        "subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], pass_fds=[lock])\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE)
    killed.wait()

    async def claim_while_the_child_ends() -> int:
        assert killed.stdin is not None
        asyncio.get_running_loop().call_later(0.3, killed.stdin.close)
        return await claim(tmp_path)

    os.close(asyncio.run(claim_while_the_child_ends()))


@pytest.mark.parametrize("below", ["", "below"])
async def test_a_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match=r"data folder .* cannot be written .*--data-dir"):
        await claim(tmp_path / "file" / below)


def test_what_is_remembered_is_private_and_read_by_the_settings(tmp_path: Path) -> None:
    remember(tmp_path, {"api_port": 1234})
    remember(tmp_path, {"api_port": 4321, "webhook_secret": "whsec_AAAA"})

    assert [path.name for path in tmp_path.iterdir()] == ["local.json"]
    assert (tmp_path / "local.json").stat().st_mode & 0o777 == 0o600
    assert recall(tmp_path) == {"api_port": 4321, "webhook_secret": "whsec_AAAA"}
    assert load_settings(data_dir=tmp_path).api_port == 4321


@pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
def test_a_broken_memory_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "local.json").write_text(content, encoding="utf-8", errors="surrogateescape")

    with pytest.raises(ConfigurationError, match=r"local\.json cannot be read: remove it"):
        recall(tmp_path)


def test_there_is_nothing_to_recall_at_first(tmp_path: Path) -> None:
    assert recall(tmp_path / "none") == {}
