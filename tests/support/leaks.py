"""Looking for secrets where none may be: in every file that a stack writes for people or machines to read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.support.stack import RunningStack

# Tokens as the court gives them, links as S3 signs them, and headers as they are sent.
_FORMS = {
    "a token": re.compile(rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    "a signed link": re.compile(rb"X-Amz-(?:Signature|Credential)="),
    "an Authorization header": re.compile(rb"(?i)authorization\W{1,4}bearer\W|bearer [\w.-]{16,}"),
}
# What the local stack knows and nobody else may.
_SECRET_SETTINGS = ("webhook_secret", "secret_key", "s3_secret_access_key", "court_token")


def files_of(stack: RunningStack) -> list[Path]:
    """Logs, the catalog, and Temporal's database, which holds histories and what its UI shows as they were sent."""
    return [
        stack.stderr,
        *sorted((stack.data_dir / "logs").iterdir()),
        *sorted(stack.data_dir.glob("autos.db*")),
        *sorted(stack.data_dir.glob("temporal.db*")),
    ]


def leaks_of(stack: RunningStack) -> list[str]:
    """Every file of the stack that holds a secret, and which; without the secret itself."""
    settings = json.loads((stack.data_dir / "local.json").read_text())
    known = {name: str(settings[name]).encode() for name in _SECRET_SETTINGS}
    return [leak for path in files_of(stack) for leak in leaks_in(path, known)]


def leaks_in(path: Path, known: dict[str, bytes]) -> list[str]:
    """What a file tells that it must not."""
    content = path.read_bytes()
    found = [name for name, form in _FORMS.items() if form.search(content)]
    found += [name for name, secret in known.items() if secret in content]
    return [f"{path.name} holds {name}" for name in found]
