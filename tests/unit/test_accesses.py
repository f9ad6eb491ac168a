"""The purpose of a request, and that nothing hands documents over without the trail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.accesses import MAX_PURPOSE_LENGTH, read_purpose
from domain.errors import InvalidInput
from tests.support.paths import ROOT

# Who may sign links or read stored bytes: the rooms below, each for its reason.
SIGNERS = {
    "adapters/storage/presigned_urls.py",
    # Records, then hands out.
    "adapters/storage/link_issuer.py",
    # The doctor's own probe object, which is no document.
    "adapters/storage/inspection.py",
    # Give the signer to the issuer.
    "api/app.py",
    "worker_parts.py",
}
READERS = {
    "adapters/storage/inspection.py",
    # Records, then streams.
    "api/services/archives.py",
}


def find_users(pattern: str) -> set[str]:
    """Return the files of the service with a text that matches a pattern."""
    rooms = ("adapters", "activities", "api", "cli", "devstack", "domain", "workflows")
    files = [*(path for room in rooms for path in (ROOT / room).rglob("*.py")), *ROOT.glob("*.py")]
    return {name_of(path) for path in files if re.search(pattern, path.read_text(encoding="utf-8"))}


def name_of(path: Path) -> str:
    """Return a file's path in the repository."""
    return path.relative_to(ROOT).as_posix()


def test_only_the_issuer_signs_links() -> None:
    assert find_users(r"\bLinkSigner\b") == SIGNERS
    assert find_users(r"\.sign_all\(|generate_presigned_url") == {
        "adapters/storage/link_issuer.py",
        "adapters/storage/presigned_urls.py",
    }


def test_only_archives_read_stored_bytes() -> None:
    assert find_users(r"store\.read\(") == READERS


@pytest.mark.parametrize(
    ("values", "purpose"),
    [
        ([], None),
        ([""], None),
        (["  "], None),
        (["due diligence"], "due diligence"),
        (["  due\tdiligence "], "due diligence"),
        # As a server reads the bytes of UTF-8, and of ISO-8859-1.
        (["diligência".encode().decode("latin-1")], "diligência"),
        (["diligência"], "diligência"),
        # A direction override would reorder the reader's screen.
        (["a\u202eb".encode().decode("latin-1")], "ab"),
        (["x" * MAX_PURPOSE_LENGTH], "x" * MAX_PURPOSE_LENGTH),
    ],
)
def test_a_purpose_is_one_clean_line(values: list[str], purpose: str | None) -> None:
    assert read_purpose(values) == purpose


@pytest.mark.parametrize(
    "values",
    [["x" * (MAX_PURPOSE_LENGTH + 1)], ["a", "a"], ["see autos_abcd1234_key"], ["eyJhbGciOi"], ["whsec_x"]],
)
def test_a_malformed_purpose_is_refused_and_not_quoted(values: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_purpose(values)
    assert refused.value.field == "X-Autos-Purpose"
    assert "abcd1234" not in str(refused.value)
