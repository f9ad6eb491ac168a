"""Run a stack without the user's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def isolated_settings(
    folder: Path, variables: Mapping[str, str], *, removed_prefixes: tuple[str, ...]
) -> Iterator[None]:
    """Hide the user's settings until the block is left: environment variables and the ``.env`` file.

    Variables that name programs (``…_BIN``) are kept: the stack needs them to find Temporal and S3.

    Args:
        folder: becomes the working directory, so that the user's ``.env`` is not read.
        variables: set inside the block.
        removed_prefixes: variables that start with one of these are removed.
    """
    saved_variables = dict(os.environ)
    saved_folder = Path.cwd()
    for name in saved_variables:
        if name.startswith(removed_prefixes) and not name.endswith("_BIN"):
            del os.environ[name]
    os.environ.update(variables)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(saved_folder)
        os.environ.clear()
        os.environ.update(saved_variables)
