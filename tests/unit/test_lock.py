"""The lock files: what a hashed installation needs to find in them."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[(?P<extras>[^]]*)])?==", re.MULTILINE)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements.runtime.lock"])
def test_packages_that_are_required_with_extras_are_pinned_with_them(lock: str) -> None:
    """If only ``name`` is pinned, pip before 23.3 takes the newest ``name[extra]`` and refuses its hash."""
    pinned = {
        canonicalize_name(pin["name"]): set((pin["extras"] or "").split(","))
        for pin in _PIN.finditer((_ROOT / lock).read_text())
    }
    assert pinned
    missing = [
        str(requirement)
        for name in pinned
        for requirement in _requirements_of(name)
        if requirement.extras
        and (canonicalize_name(requirement.name) in pinned)
        and not requirement.extras <= pinned[canonicalize_name(requirement.name)]
    ]
    assert not missing


def _requirements_of(name: str) -> list[Requirement]:
    """Return what an installed package requires here, without what only its own extras require."""
    try:
        texts = requires(name) or []
    except PackageNotFoundError:  # For another platform.
        return []
    requirements = map(Requirement, texts)
    return [found for found in requirements if found.marker is None or found.marker.evaluate({"extra": ""})]
