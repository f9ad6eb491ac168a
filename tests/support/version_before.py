"""The version before, as it ran: its code in an archive, which tests unpack and run beside the code of this tree.

The archive is what ``git archive`` made of a commit, so tests need no history. It has the commit's id:
``unxz --stdout tests/support/version_before.tar.xz | git get-tar-commit-id``. After a release,
``python -m tests.support.version_before COMMIT`` makes it again.
"""

from __future__ import annotations

import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.support.paths import ROOT

_ARCHIVE = Path(__file__).with_name("version_before.tar.xz")
# That version was written for httpx, whose place httpx2 has taken: same names, same behaviour where it uses them.
# To be removed when the archive is made again.
_SITE = "import httpx2\n\nhttpx2.alias_httpx()\n"
# What the image is made of, without the local stack and the simulator.
_CONTENTS = (
    *("activities", "adapters", "api", "cli", "client/autos_client", "client/autos_client_cli"),
    *("devstack/__init__.py", "devstack/hard_exit.py", "docs/problems", "domain", "migrations"),
    *("settings*.py", "worker*.py", "workflows"),
)


def unpack_version_before(folder: Path) -> Path:
    """Unpack the code of the version before into a folder, and return it."""
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    # Python reads it at its start, from the folder that PYTHONPATH names.
    (folder / "sitecustomize.py").write_text(_SITE)
    return folder


def _write_archive(commit: str) -> None:
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, *_CONTENTS]
    tar = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    _ARCHIVE.write_bytes(lzma.compress(tar, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    _write_archive(sys.argv[1])
