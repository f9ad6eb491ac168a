"""A search for secrets in every file that a stack writes: none of them may hold any."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.stack import RunningStack

# Tokens as the court issues them, links as S3 signs them, and headers as they are sent.
_PATTERNS = {
    "a token": re.compile(rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    "a signed link": re.compile(rb"X-Amz-(?:Signature|Credential)="),
    "an Authorization header": re.compile(rb"(?i)authorization\W{1,4}bearer\W|bearer [\w.-]{16,}"),
}
# The local stack's own secrets, by their names in `local.json`.
_SECRET_SETTINGS = ("webhook_secret", "secret_key", "s3_secret_access_key", "court_token")


def list_stack_files(stack: RunningStack) -> list[Path]:
    """Return the logs, the catalog, and Temporal's database, which holds histories and what its UI shows."""
    return [
        stack.stderr,
        *sorted((stack.data_dir / "logs").iterdir()),
        *sorted(stack.data_dir.glob("autos.db*")),
        *sorted(stack.data_dir.glob("temporal.db*")),
    ]


def find_leaks(stack: RunningStack) -> list[str]:
    """Name every file of the stack that holds a secret, and the kind of secret, but not the secret itself."""
    known = read_own_secrets(stack)
    return [leak for path in list_stack_files(stack) for leak in find_leaks_in_file(path, known)]


def read_own_secrets(stack: RunningStack) -> dict[str, bytes]:
    """Return the local stack's own secrets by their names."""
    settings = json.loads((stack.data_dir / "local.json").read_text())
    return {name: str(settings[name]).encode() for name in _SECRET_SETTINGS}


def find_leaks_in_file(path: Path, known: dict[str, bytes]) -> list[str]:
    """Name the kinds of secrets that a file holds; `known` has secrets by their names."""
    content = path.read_bytes()
    kinds = [name for name, pattern in _PATTERNS.items() if pattern.search(content)]
    kinds += [name for name, secret in known.items() if secret in content]
    return [f"{path.name} holds {kind}" for kind in kinds]
