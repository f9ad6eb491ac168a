"""The rules of the audit, without a catalog and without a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit import (
    LEFTOVER_AGE,
    ORPHAN_AGE,
    AuditedDocument,
    FindingKind,
    ListedObject,
    ListedUpload,
    Pair,
    StoredContent,
    compare,
    describe_bulk_damage,
    document_of_key,
    is_leftover,
    is_old,
    is_orphan,
    is_sampled,
    join,
    sample_share,
)
from domain.storage import PROBE_PREFIX, WRITE_CHECK_KEY, object_prefix

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NUMBER = "1011745-77.2025.8.11.0041"
ID = "2930b251-20a0-5679-905f-7a483b7b0187"
KEY = f"{object_prefix(NUMBER, ID)}.pdf"
CONTENT = StoredContent(KEY, 5, "ab" * 32, NOW, 1, restorable=True)
T = TypeVar("T")


async def stream(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items."""
    for item in items:
        yield item


def listed(key: str, *, age: timedelta = timedelta(0), size_bytes: int = 5) -> ListedObject:
    """Return an object of this age."""
    return ListedObject(key, size_bytes, NOW - age)


def row(group: int, *, number: int = 0) -> AuditedDocument:
    """Return a row."""
    return AuditedDocument(f"{number:07}-77.2025.8.11.0041", f"{group:08x}-20a0-5679-905f-7a483b7b0187")


def test_keys_name_their_document() -> None:
    assert document_of_key(KEY) == (NUMBER, ID)
    assert document_of_key(f"{object_prefix(NUMBER, ID, 12)}.pdf") == (NUMBER, ID)
    for other in (WRITE_CHECK_KEY, f"{PROBE_PREFIX}ab", f"x{KEY}", f"{KEY}/more", object_prefix(NUMBER, ID)):
        assert document_of_key(other) is None


@given(
    rows=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 6))),
    objects=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 6), st.sampled_from([".pdf", ".txt", "-v2.pdf"]))),
)
async def test_every_row_and_every_object_is_in_one_pair(
    rows: set[tuple[int, int]], objects: set[tuple[int, int, str]]
) -> None:
    documents = sorted((row(group, number=number) for number, group in rows), key=lambda each: each.group)
    stored = sorted(
        (listed(row(group, number=number).group + end) for number, group, end in objects),
        key=lambda each: each.key,
    )
    pairs = [pair async for pair in join(stream(documents), stream(stored))]
    assert [pair.document for pair in pairs if pair.document] == documents
    assert [each for pair in pairs for each in pair.objects] == stored
    for pair in pairs:
        groups = {each.group for each in pair.objects}
        assert groups <= {pair.document.group} if pair.document else len(groups) == 1
    orphans = {each.group for each in stored} - {each.group for each in documents}
    assert {pair.objects[0].group for pair in pairs if pair.document is None} == orphans


def test_contents_and_objects_are_compared() -> None:
    other = f"{object_prefix(NUMBER, ID)}.txt"
    document = AuditedDocument(NUMBER, ID, (CONTENT,))
    whole = compare(Pair(document, (listed(KEY),)))
    assert (whole.suspects, whole.present, whole.strays) == ((), (CONTENT,), ())
    missing = compare(Pair(document))
    assert (missing.suspects, missing.present) == ((CONTENT,), ())
    truncated = compare(Pair(document, (listed(KEY, size_bytes=4), listed(other))))
    assert (truncated.suspects, truncated.present, truncated.strays) == ((CONTENT,), (), (listed(other),))
    assert compare(Pair(None, (listed(other),))).strays == (listed(other),)


def test_only_what_nothing_needs_is_an_orphan() -> None:
    known, pending = AuditedDocument(NUMBER, ID, (CONTENT,)), AuditedDocument(NUMBER, ID)
    assert not is_orphan(listed(KEY, age=ORPHAN_AGE), known, now=NOW)
    # A run may have stored it, and not recorded it.
    assert not is_orphan(listed(KEY), pending, now=NOW)
    assert is_orphan(listed(KEY, age=ORPHAN_AGE), pending, now=NOW)
    # Runs store nothing for a document without a row.
    assert is_orphan(listed(KEY), None, now=NOW)
    assert not is_orphan(listed(WRITE_CHECK_KEY, age=2 * ORPHAN_AGE), None, now=NOW)
    probe = f"{PROBE_PREFIX}0a"
    assert not is_orphan(listed(probe), None, now=NOW)
    assert is_orphan(listed(probe, age=ORPHAN_AGE), None, now=NOW)
    assert is_old(listed(KEY, age=ORPHAN_AGE), now=NOW)
    assert not is_old(listed(KEY, age=ORPHAN_AGE - timedelta(seconds=1)), now=NOW)


def test_an_upload_is_leftover_after_the_longest_download() -> None:
    assert is_leftover(ListedUpload(KEY, "1", NOW - LEFTOVER_AGE), now=NOW)
    assert not is_leftover(ListedUpload(KEY, "1", NOW - LEFTOVER_AGE + timedelta(seconds=1)), now=NOW)


def test_samples_have_their_share_and_every_object_has_its_turn() -> None:
    keys = [f"{KEY}{index}" for index in range(2_000)]
    assert not any(is_sampled(key, seed="a", share=0.0) for key in keys)
    assert all(is_sampled(key, seed="a", share=1.0) for key in keys)
    tenth = [key for key in keys if is_sampled(key, seed="a", share=0.1)]
    assert 120 < len(tenth) < 280
    assert tenth != [key for key in keys if is_sampled(key, seed="b", share=0.1)]
    assert (sample_share(10, 5), sample_share(10, 0), sample_share(10, 40), sample_share(0, 40)) == (1, 1, 0.25, 0)


@pytest.mark.parametrize(
    ("found", "contents", "objects", "whole", "says"),
    [
        ({}, 0, 0, True, None),
        ({FindingKind.MISSING: 100}, 101, 1, True, None),
        # The one object is the write check's.
        ({FindingKind.MISSING: 100}, 100, 1, True, "has none of"),
        ({FindingKind.MISSING: 2, FindingKind.LOST: 1}, 3, 1, True, "has none of"),
        ({FindingKind.WRONG_HASH: 3}, 3, 3, True, None),
        ({FindingKind.MISSING: 101}, 1_000, 1_000, True, None),
        ({FindingKind.MISSING: 101}, 500, 400, True, "right bucket"),
        ({FindingKind.WRONG_SIZE: 60, FindingKind.WRONG_HASH: 60}, 500, 500, True, "right bucket"),
        ({FindingKind.MISSING: 1}, 5, 0, True, "bucket is empty"),
        ({FindingKind.MISSING: 5}, 5, 0, False, None),
        ({FindingKind.ORPHAN: 1}, 0, 1, True, "right database"),
        ({FindingKind.ORPHAN: 1}, 0, 1, False, None),
        ({FindingKind.ORPHAN: 101}, 10, 111, True, "right database"),
        ({FindingKind.ORPHAN: 100, FindingKind.LEFTOVER_UPLOAD: 900}, 10, 111, True, None),
    ],
)
def test_so_much_damage_that_it_may_be_another_bucket_is_described(
    found: dict[FindingKind, int], contents: int, objects: int, whole: bool, says: str | None
) -> None:
    text = describe_bulk_damage(found, contents=contents, objects=objects, whole=whole)
    assert (text is None) if says is None else (text is not None and says in text)
