"""Entity tags and SSE event ids: how a client names the status that it already has."""

from __future__ import annotations

import pytest

from api.status_snapshot import Snapshot, digest_from_event_id, entity_tag, matches_etag
from domain.serializers import Json

DIGEST = "0" * 31 + "a"
OTHER_DIGEST = "0" * 31 + "b"


def create_status(**changes: object) -> Json:
    """Return a status body with the fields that matter here."""
    return {"process_number": "1", "status": "processing", "available_documents": 3, **changes}


@pytest.mark.parametrize(
    ("values", "matches"),
    [
        ([], False),
        ([""], False),
        ([f'W/"{DIGEST}"'], True),
        ([f'"{DIGEST}"'], True),
        ([f'W/"{OTHER_DIGEST}"'], False),
        ([f'W/"{OTHER_DIGEST}", W/"{DIGEST}"'], True),
        ([f'W/"{OTHER_DIGEST}",W/"{DIGEST}"'], True),
        ([f'W/"{OTHER_DIGEST}"', f'"{DIGEST}"'], True),
        (['W/"a, b"', f'W/"{DIGEST}"'], True),
        (["*"], True),
        ([" * "], True),
        (['"*"'], False),
        ([DIGEST], False),
        ([f'W/"{DIGEST}'], False),
        ([f'W/"{DIGEST} "'], False),
        ([f'W/"{DIGEST.upper()}"'], False),
    ],
)
def test_if_none_match_matches_exact_tags_only(values: list[str], matches: bool) -> None:
    assert matches_etag(DIGEST, values) is matches


def test_entity_tag_is_weak_and_matches_itself() -> None:
    assert entity_tag(DIGEST) == f'W/"{DIGEST}"'
    assert matches_etag(DIGEST, [entity_tag(OTHER_DIGEST), entity_tag(DIGEST)])


@pytest.mark.parametrize(
    ("event_id", "digest"),
    [
        (f"1784900000000-{DIGEST}", DIGEST),
        (f"1-{DIGEST}", DIGEST),
        (None, None),
        ("", None),
        (DIGEST, None),
        (f"-{DIGEST}", None),
        (f"now-{DIGEST}", None),
        (f"1-{DIGEST}x", None),
        (f"1-{DIGEST}\n", None),
        ("17", None),
        ("9" * 100_000, None),
    ],
)
def test_event_id_contains_the_digest_whatever_its_time(event_id: str | None, digest: str | None) -> None:
    assert digest_from_event_id(event_id) == digest


def test_equal_status_bodies_have_equal_digests() -> None:
    first, again, other = (
        Snapshot.of(create_status(), ended=False),
        Snapshot.of(create_status(), ended=False),
        Snapshot.of(create_status(available_documents=4), ended=False),
    )
    assert first.digest == again.digest != other.digest
    assert digest_from_event_id(first.event.id) == first.digest


@pytest.mark.parametrize(("ended", "kind"), [(False, "progress"), (True, "ended")])
def test_the_event_of_a_snapshot_says_whether_it_is_the_last(ended: bool, kind: str) -> None:
    snapshot = Snapshot.of(create_status(), ended=ended)
    assert (snapshot.ended, snapshot.event.event) == (ended, kind)
