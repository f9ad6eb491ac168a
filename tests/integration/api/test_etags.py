"""Tags of states and ids of events: which state a client says that it knows."""

from __future__ import annotations

import pytest

from api.status_snapshot import Snapshot, digest_from_event_id, entity_tag, matches_etag
from domain.serializers import Json

KNOWN = "0" * 31 + "a"
OTHER = "0" * 31 + "b"


def status(**changes: object) -> Json:
    """A status body, as far as it matters here."""
    return {"process_number": "1", "status": "processing", "available_documents": 3, **changes}


@pytest.mark.parametrize(
    ("values", "known"),
    [
        ([], False),
        ([""], False),
        ([f'W/"{KNOWN}"'], True),
        ([f'"{KNOWN}"'], True),
        ([f'W/"{OTHER}"'], False),
        ([f'W/"{OTHER}", W/"{KNOWN}"'], True),
        ([f'W/"{OTHER}",W/"{KNOWN}"'], True),
        ([f'W/"{OTHER}"', f'"{KNOWN}"'], True),
        (['W/"a, b"', f'W/"{KNOWN}"'], True),
        (["*"], True),
        ([" * "], True),
        (['"*"'], False),
        ([KNOWN], False),
        ([f'W/"{KNOWN}'], False),
        ([f'W/"{KNOWN} "'], False),
        ([f'W/"{KNOWN.upper()}"'], False),
    ],
)
def test_a_state_is_known_by_its_tag_alone(values: list[str], known: bool) -> None:
    assert matches_etag(KNOWN, values) is known


def test_a_tag_is_weak_and_is_found_again() -> None:
    assert entity_tag(KNOWN) == f'W/"{KNOWN}"'
    assert matches_etag(KNOWN, [entity_tag(OTHER), entity_tag(KNOWN)])


@pytest.mark.parametrize(
    ("event_id", "digest"),
    [
        (f"1784900000000-{KNOWN}", KNOWN),
        (f"1-{KNOWN}", KNOWN),
        (None, None),
        ("", None),
        (KNOWN, None),
        (f"-{KNOWN}", None),
        (f"now-{KNOWN}", None),
        (f"1-{KNOWN}x", None),
        (f"1-{KNOWN}\n", None),
        ("17", None),
        ("9" * 100_000, None),
    ],
)
def test_an_event_names_its_state_whenever_it_was_sent(event_id: str | None, digest: str | None) -> None:
    assert digest_from_event_id(event_id) == digest


def test_states_that_say_the_same_have_the_same_digest() -> None:
    first, again, other = Snapshot.of(status()), Snapshot.of(status()), Snapshot.of(status(available_documents=4))
    assert first.digest == again.digest != other.digest
    assert digest_from_event_id(first.event.id) == first.digest


@pytest.mark.parametrize("name", ["pending", "completed", "partial", "failed", "empty"])
def test_whatever_is_not_processing_has_ended(name: str) -> None:
    assert (Snapshot.of(status()).ended, Snapshot.of(status()).event.event) == (False, "progress")
    assert (Snapshot.of(status(status=name)).ended, Snapshot.of(status(status=name)).event.event) == (True, "ended")
