"""The Dockerfile and its build context: pinned base, hashed locks, no private files, no root, a tree that runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domain.version import VERSION

ROOT = Path(__file__).parents[2]

# Imports every module of a copied tree, migrates a database with it, and prints what it found.
_IMPORT_EVERYTHING = """
import importlib, json, pathlib, sys
tree = pathlib.Path(sys.argv[1])
sys.path[:0] = [str(tree), str(tree / "client")]
for root in (tree, tree / "client"):
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        # Migrations are run by Alembic, and health.py is a script.
        if parts[0] not in ("client", "migrations", "deploy") and parts[-1] not in ("__init__", "__main__"):
            importlib.import_module(".".join(parts))
from adapters.database.migrate import upgrade
from api.problems.codes import ProblemCode
from api.problems.pages import page_of
from domain.version import VERSION
upgrade(f"sqlite+aiosqlite:///{tree.parent / 'autos.db'}")
tops = {path.stem for path in (*tree.iterdir(), *(tree / "client").iterdir())}
json.dump({
    "files": {name: module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] in tops},
    "version": VERSION,
    "pages": {code: page_of(code) for code in ProblemCode},
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """The Dockerfile without its comments."""
    return re.sub(r"^#.*$", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)


@pytest.fixture(scope="module")
def build_context() -> list[str]:
    """The files and folders that `.dockerignore` lets into the build."""
    return re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)


def test_image_is_built_on_a_pinned_base_from_hashed_locks(dockerfile: str) -> None:
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", dockerfile, re.MULTILINE)

    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    installs = re.findall(r"pip [^&]*\binstall\b[^&]*", dockerfile)
    assert installs
    for install in installs:
        assert "--require-hashes" in install.split(), install
    assert "://" not in dockerfile


def test_image_does_not_run_as_root_and_starts_our_command(dockerfile: str) -> None:
    final = dockerfile.rpartition("FROM ")[2]

    assert re.search(r"^USER [1-9]\d+$", final, re.MULTILINE)
    assert 'ENTRYPOINT ["autos"]' in final
    assert "HEALTHCHECK" not in dockerfile


def test_image_without_certificate_authorities_is_not_built(dockerfile: str) -> None:
    final = dockerfile.rpartition("FROM ")[2]

    # The last place where httpx2 and httpcore2 look for the system's authorities, and Debian's only file of them.
    assert "RUN test -s /etc/ssl/certs/ca-certificates.crt" in final
    assert "SSL_CERT_FILE" not in dockerfile


def test_build_context_has_no_private_files(build_context: list[str]) -> None:
    assert {"LICENSE", "requirements.runtime.lock"} <= set(build_context)
    assert not {name for name in build_context if name.startswith((".", "tests"))}
    assert all((ROOT / name).exists() for name in build_context)


def test_copied_tree_can_be_imported_and_migrated(build_context: list[str], tmp_path: Path) -> None:
    tree = tmp_path.resolve() / "app"
    for name in build_context:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(ROOT / name, target)

    # In another folder, so that no import succeeds only because the current folder is the repository.
    imported = subprocess.run(
        [sys.executable, "-c", _IMPORT_EVERYTHING, str(tree)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert imported.returncode == 0, imported.stderr
    result = json.loads(imported.stdout)
    outside = {name: file for name, file in result["files"].items() if file and not Path(file).is_relative_to(tree)}
    assert outside == {}
    assert {"cli.main", "worker", "api.app", "autos_client_cli.app"} <= set(result["files"])
    assert result["version"] == VERSION
    assert all(page.startswith("# ") for page in result["pages"].values())
