"""What is published: the client alone, which needs nothing of the service; and no wheel of the service's code."""

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
    """Run a command to its end, without any setting of the person who runs the tests."""
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


def names_in(wheel: Path) -> set[str]:
    """The top-level names that a wheel installs."""
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition("/")[0] for name in archive.namelist()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a fresh environment that has the client's wheel and its dependencies, and no tree."""
    folder = tmp_path_factory.mktemp("client")
    wheel = build_wheel(ROOT / "client", folder / "dist")
    environment = folder / "environment"
    venv.create(environment)
    python = environment / "bin" / "python"
    pip = run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel), cwd=folder
    )
    assert pip.returncode == 0, pip.stderr
    # The dependencies of this environment. Its own .pth files, which lead to the tree, do not count there.
    site_packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).stdout
    (Path(site_packages.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin"


def test_the_wheel_of_the_client_holds_the_client_alone(tmp_path: Path) -> None:
    version = autos_client.__version__
    wheel = build_wheel(ROOT / "client", tmp_path)

    assert wheel.name == f"autos_client-{version}-py3-none-any.whl"
    assert names_in(wheel) == {"autos_client", "autos_client_cli", f"autos_client-{version}.dist-info"}


def test_a_wheel_of_the_service_holds_no_code(tmp_path: Path) -> None:
    wheel = build_wheel(ROOT, tmp_path)

    assert names_in(wheel) == {f"autos-{VERSION}.dist-info"}


@pytest.mark.parametrize("project", [ROOT, ROOT / "client"])
def test_a_version_is_written_in_one_place(project: Path) -> None:
    written = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" not in written["project"]
    assert written["project"]["dynamic"] == ["version"]


def test_the_client_stands_without_the_tree(installed: Path, tmp_path: Path) -> None:
    program = (
        "import json, sys, autos_client, autos_client_cli.app\n"
        "print(json.dumps([autos_client.__file__, [*sys.modules]]))"
    )
    imported = run(installed / "python", "-c", program, cwd=tmp_path)

    assert imported.returncode == 0, imported.stderr
    file, modules = json.loads(imported.stdout)
    assert Path(file).is_relative_to(installed.parent)
    assert not {name.partition(".")[0] for name in modules} & {"domain", "settings", "api", "cli", "adapters"}
    assert run(installed / "python", "-c", "import domain", cwd=tmp_path).returncode == 1


async def test_the_program_speaks_to_an_api(installed: Path, tmp_path: Path) -> None:
    shown = status_body("completed", 3)
    body = json.dumps(shown).encode()
    async with scripted(always(answer(200, body, content_type="application/json"))) as api:

        def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
            return run(installed / "autos-client", "--url", api.origin, *arguments, cwd=tmp_path)

        told: Any = await asyncio.to_thread(ask, "status", "10117457720258110041", "--json")
        refused = await asyncio.to_thread(ask, "status", "1011745-78.2025.8.11.0041")

    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout)["available_documents"] == 3
    assert api.targets == [f"/processes/{NUMBER}/status"]
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("autos-client: The check digits of 1011745-78.2025.8.11.0041 are wrong")


def test_the_program_says_its_version_and_what_it_misses(installed: Path, tmp_path: Path) -> None:
    version = run(installed / "autos-client", "--version", cwd=tmp_path)
    program = "import sys; sys.modules['typer'] = None; from autos_client_cli import main; main()"
    bare = run(installed / "python", "-c", program, cwd=tmp_path)
    unreadable = run(installed / "autos-client", "--url", "autos.test", "failures", cwd=tmp_path)

    assert version.stdout == f"autos-client {autos_client.__version__}\n"
    assert (bare.returncode, bare.stderr) == (
        1,
        "autos-client: the commands need an extra: pip install 'autos-client[cli]'\n",
    )
    assert unreadable.returncode == 2
    assert unreadable.stderr.startswith("autos-client: --url: The base address begins with ")


def test_the_client_has_no_import_cycle() -> None:
    modules = {
        ".".join(path.relative_to(PACKAGES).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGES.rglob("*.py")
    }

    def imports(path: Path) -> set[str]:
        found: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                # A name of a module, or a module of a package.
                found |= {each if each in modules else node.module for each in named}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        return found & modules.keys()

    # Imports for annotations count: they are a dependency too. A cycle raises.
    graph = {name: imports(path) for name, path in modules.items()}
    assert set(graphlib.TopologicalSorter(graph).static_order()) == set(modules)
