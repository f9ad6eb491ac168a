"""The demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def test_the_demo_downloads_and_opens_all_documents(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "devstack.demo"],
        cwd=ROOT,
        env={"PATH": "", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "202 started" in shown.stdout
    assert "31 of 31 documents" in shown.stdout
    assert "process.completed received" in shown.stdout
    assert "200 complete" in shown.stdout
    assert "31 of 31 open" in shown.stdout
    assert "\x1b" not in shown.stdout  # No colours without a terminal.
    assert list(tmp_path.iterdir()) == []
