"""Only the client is published, it needs nothing of the service, and no wheel contains the service's code."""

from __future__ import annotations

import ast
import asyncio
import graphlib
import json
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

import autos_client
from domain.version import VERSION
from tests.integration.client.scripted import NUMBER, status_body
from tests.support.scripted_server import always, answer, scripted

ROOT = Path(__file__).parents[3]
PACKAGES = ROOT / "client"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without the developer's own settings."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def build_wheel(project: Path, folder: Path) -> Path:
    """Build a project's wheel without a network."""
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=project)
    assert built.returncode == 0, built.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


def list_top_level_names(wheel: Path) -> set[str]:
    """Return the top-level names that a wheel installs."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition("/")[0] for name in archive.namelist()}


@pytest.fixture(scope="module")
def installed_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment with the client's wheel and dependencies, without the repository."""
    folder = tmp_path_factory.mktemp("client")
    wheel = build_wheel(ROOT / "client", folder / "dist")
    environment = folder / "environment"
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel), cwd=folder
    )
    assert pip.returncode == 0, pip.stderr
    # The dependencies of this environment. Its .pth files, which point to the repository, are not read there.
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout
    (Path(site_packages.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


def test_client_wheel_contains_only_the_client(tmp_path: Path) -> None:
    version = autos_client.__version__
    wheel = build_wheel(ROOT / "client", tmp_path)

    assert wheel.name == f"autos_client-{version}-py3-none-any.whl"
    assert list_top_level_names(wheel) == {"autos_client", "autos_client_cli", f"autos_client-{version}.dist-info"}


def test_service_wheel_contains_no_code(tmp_path: Path) -> None:
    wheel = build_wheel(ROOT, tmp_path)

    assert list_top_level_names(wheel) == {f"autos-{VERSION}.dist-info"}


@pytest.mark.parametrize("project", [ROOT, ROOT / "client"])
def test_version_is_defined_in_one_place(project: Path) -> None:
    written = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" not in written["project"]
    assert written["project"]["dynamic"] == ["version"]


def test_installed_client_works_without_the_repository(installed_bin: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys, autos_client, autos_client_cli.app\n"
        "print(json.dumps([autos_client.__file__, [*sys.modules]]))"
    )
    imported = run(installed_bin / "python", "-c", program, cwd=tmp_path)

    assert imported.returncode == 0, imported.stderr
    file, modules = json.loads(imported.stdout)
    assert Path(file).is_relative_to(installed_bin.parent)
    assert not {name.partition(".")[0] for name in modules} & {"domain", "settings", "api", "cli", "adapters"}
    assert run(installed_bin / "python", "-c", "import domain", cwd=tmp_path).returncode == 1


async def test_installed_command_calls_the_api(installed_bin: Path, tmp_path: Path) -> None:
    shown = status_body("completed", 3)
    body = json.dumps(shown).encode()
    async with scripted(always(answer(200, body, content_type="application/json"))) as api:

        def run_client(*arguments: str) -> subprocess.CompletedProcess[str]:
            return run(installed_bin / "autos-client", "--url", api.origin, *arguments, cwd=tmp_path)

        completed: Any = await asyncio.to_thread(run_client, "status", "10117457720258110041", "--json")
        refused = await asyncio.to_thread(run_client, "status", "1011745-78.2025.8.11.0041")

    assert (completed.returncode, completed.stderr) == (0, "")
    assert json.loads(completed.stdout)["available_documents"] == 3
    assert api.targets == [f"/processes/{NUMBER}/status"]
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("autos-client: The check digits of 1011745-78.2025.8.11.0041 are wrong")


def test_installed_command_shows_version_and_missing_settings(installed_bin: Path, tmp_path: Path) -> None:
    version = run(installed_bin / "autos-client", "--version", cwd=tmp_path)
    program = "import sys; sys.modules['typer'] = None; from autos_client_cli import main; main()"
    bare = run(installed_bin / "python", "-c", program, cwd=tmp_path)
    unreadable = run(installed_bin / "autos-client", "--url", "autos.test", "failures", cwd=tmp_path)

    assert version.stdout == f"autos-client {autos_client.__version__}\n"
    assert (bare.returncode, bare.stderr) == (
        1,
        "autos-client: the commands need an extra. In the folder of Autos: pip install './client[cli]'\n",
    )
    assert unreadable.returncode == 2
    assert unreadable.stderr.startswith("autos-client: --url: The base address begins with ")


def test_client_has_no_import_cycle() -> None:
    modules = {
        ".".join(path.relative_to(PACKAGES).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGES.rglob("*.py")
    }

    def imports(path: Path) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                # The imported name is a module of a package, or a name in a module.
                found |= {each if each in modules else node.module for each in named}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        return found & modules.keys()

    # Imports for annotations count: they are a dependency too. A cycle raises.
    graph = {name: imports(path) for name, path in modules.items()}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(modules)
