"""The Dockerfile and what it may read: pinned, hashed, nothing private, not root."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def dockerfile() -> str:
    """The Dockerfile without its comments."""
    return re.sub(r"^#.*$", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_image_is_built_on_a_pinned_base_from_hashed_locks(dockerfile: str) -> None:
    [base] = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", dockerfile, re.MULTILINE)

    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    for install in re.findall(r"pip [^&]*\binstall\b[^&]*", dockerfile):
        assert {"--require-hashes", "--no-index"} & set(install.split()), install
    assert "://" not in dockerfile


def test_the_image_does_not_run_as_root_and_starts_our_command(dockerfile: str) -> None:
    final = dockerfile.rpartition("FROM ")[2]

    assert re.search(r"^USER [1-9]\d+$", final, re.MULTILINE)
    assert 'ENTRYPOINT ["autos"]' in final
    assert "HEALTHCHECK" not in dockerfile


def test_the_build_backend_is_taken_whole_from_the_lock(dockerfile: str) -> None:
    @cache
    def needs(name: str) -> frozenset[str]:
        found = [Requirement(each) for each in requires(name) or []]
        wanted = [each.name for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]
        return frozenset({name}).union(*(needs(each) for each in wanted))

    [named] = re.findall(r"wanted = /\^\(([a-z|-]+)\)==/", dockerfile)
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)

    assert set(named.split("|")) == needs("hatchling")
    assert needs("hatchling") <= set(locked)


def test_what_the_wheel_needs_reaches_the_build_and_nothing_private_does() -> None:
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]

    assert set(build["targets"]["wheel"]["only-include"]) <= set(allowed)
    assert {"LICENSE", "README.md", "pyproject.toml", "requirements.lock", "requirements.runtime.lock"} <= set(
        allowed
    )
    assert not {name for name in allowed if name.startswith((".", "tests"))}
    assert all((ROOT / name).exists() for name in allowed)
