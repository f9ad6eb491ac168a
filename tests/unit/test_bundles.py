"""Which documents belong to a bundle, in which order, and what identifies it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bundle_contents import OmissionReason
from domain.bundle_selection import BundleFormat, BundleOptions, BundleOrder, BundleSelection, select_documents
from domain.bundles import Bundle, BundleState
from domain.clients import ALL_SCOPES, Scope
from domain.documents import Document, DocumentStatus, Failure, StoredObject
from domain.errors import FailureCode
from domain.events import show_bundle
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.webhooks import EventType

NUMBER = "1011745-77.2025.8.11.0041"
FIRST = Instance("G1:45", "G1", "1° Grau")
SECOND = Instance("G2:45", "G2", "2° Grau")
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
READER = frozenset({Scope.READ})
PDF = BundleOptions(BundleFormat.PDF)


def stored_pdf(position: int) -> StoredObject:
    """Return the content of the document at a position of the process."""
    return StoredObject(f"processes/{NUMBER}/{position}.pdf", 1000, f"{position:064x}", "application/pdf")


def document(position: int, **changes: Any) -> Document:
    """Return a stored PDF at a position of the process."""
    made = Document(
        id=str(UUID(int=position)),
        position=position,
        status=DocumentStatus.AVAILABLE,
        name=f"{position}.pdf",
        type_name="Petição",
        filed_at=MONDAY + timedelta(days=position),
        instance=FIRST,
        secrecy=Secrecy.PUBLIC,
        pages=1,
        stored=stored_pdf(position),
    )
    return replace(made, **changes)


def select(
    documents: list[Document], options: BundleOptions = PDF, scopes: frozenset[Scope] = READER
) -> BundleSelection:
    """Return what a bundle contains."""
    return select_documents(NUMBER, documents, options, scopes)


def positions(selection: BundleSelection) -> list[int]:
    """Return the positions of a bundle's documents in their order."""
    return [entry.position for entry in selection.entries]


NAMES = st.lists(st.sampled_from(["G1", "g2", "1º grau", "Petição", "peticao", "Sentença"]), max_size=4)
IDS = st.lists(st.sampled_from([str(UUID(int=number)) for number in range(1, 5)]), max_size=4)


@given(NAMES, NAMES, IDS)
def test_requests_that_mean_the_same_are_the_same_bundle(
    instances: list[str], types: list[str], ids: list[str]
) -> None:
    documents = [document(number) for number in range(1, 5)]
    options = replace(PDF, instances=tuple(instances), types=tuple(types), document_ids=tuple(ids))
    same = replace(
        PDF,
        instances=tuple(name.upper() for name in reversed(instances * 2)),
        types=tuple(name.lower() for name in reversed(types)),
        document_ids=tuple(reversed(ids * 2)),
    )
    assert select(documents, options).id == select(documents, same).id


@pytest.mark.parametrize(
    "options",
    [
        replace(PDF, format=BundleFormat.ZIP),
        replace(PDF, order=BundleOrder.LISTED),
        replace(PDF, instances=("G1",)),
        replace(PDF, types=("Petição",)),
        replace(PDF, filed_from=date(2020, 1, 1)),
        replace(PDF, filed_to=date(2030, 1, 1)),
        replace(PDF, document_ids=(str(UUID(int=1)),)),
    ],
)
def test_another_option_is_another_bundle(options: BundleOptions) -> None:
    documents = [document(1)]
    assert positions(select(documents, options)) == [1]
    assert select(documents, options).id != select(documents).id


@pytest.mark.parametrize(
    "change",
    [
        {"stored": replace(stored_pdf(1), sha256="ab" * 32)},
        {"id": str(UUID(int=9))},
        {"status": DocumentStatus.PENDING, "stored": None},
        {"secrecy": Secrecy.MEDIUM},
    ],
)
def test_other_content_is_another_bundle(change: dict[str, Any]) -> None:
    assert select([document(1, **change), document(2)]).id != select([document(1), document(2)]).id


def test_a_new_document_is_another_bundle_also_while_it_is_pending() -> None:
    pending = document(2, status=DocumentStatus.PENDING, stored=None)
    failed = replace(
        pending,
        status=DocumentStatus.FAILED,
        failure=Failure(FailureCode.SOURCE_UNAVAILABLE, "HTTP 500", 5, MONDAY),
    )
    ids = {select(documents).id for documents in ([document(1)], [document(1), pending], [document(1), failed])}
    assert len(ids) == 3


def test_what_only_describes_a_document_is_not_part_of_the_identity() -> None:
    renamed = document(1, name="other.pdf", pages=7)
    assert select([renamed]).id == select([document(1)]).id


def test_withheld_documents_are_named_by_their_position_alone_and_come_last() -> None:
    documents = [
        document(1),
        document(2, secrecy=Secrecy.JUSTICE_SECRET),
        document(3, unlisted_at=MONDAY),
        document(4),
    ]
    selection = select(documents)
    assert positions(selection) == [1, 4, 2, 3]
    assert [entry.document_id for entry in selection.entries[2:]] == [None, None]
    assert {entry.omitted for entry in selection.entries[2:]} == {OmissionReason.WITHHELD}
    assert (selection.inside, selection.secrecy) == (2, Secrecy.PUBLIC)
    everything = select(documents, scopes=ALL_SCOPES)
    assert positions(everything) == [1, 2, 3, 4]
    assert everything.secrecy is Secrecy.JUSTICE_SECRET
    assert everything.id != selection.id


def test_a_filter_says_nothing_about_withheld_documents() -> None:
    sealed = document(2, secrecy=Secrecy.MEDIUM, type_name="Laudo")
    for options in (replace(PDF, types=("Petição",)), replace(PDF, types=("Laudo",), instances=("G1",))):
        assert sum(
            entry.omitted is OmissionReason.WITHHELD for entry in select([document(1), sealed], options).entries
        )


def test_filed_order_goes_by_instance_and_date_and_keeps_attachments_behind_their_parent() -> None:
    documents = [
        document(1, filed_at=MONDAY + timedelta(days=3)),
        document(2, filed_at=None),
        document(3, filed_at=MONDAY, instance=SECOND),
        document(4, filed_at=MONDAY),
        document(5, filed_at=MONDAY),
    ]
    assert positions(select(documents)) == [4, 5, 1, 2, 3]
    assert positions(select(documents, replace(PDF, order=BundleOrder.LISTED))) == [1, 2, 3, 4, 5]


def test_days_are_those_in_brasilia() -> None:
    late = document(1, filed_at=datetime(2026, 3, 2, 2, 30, tzinfo=UTC))
    undated = document(2, filed_at=None)
    on_sunday = replace(PDF, filed_from=date(2026, 3, 1), filed_to=date(2026, 3, 1))
    assert positions(select([late, undated], on_sunday)) == [1]
    assert positions(select([late, undated], replace(on_sunday, filed_to=None, filed_from=date(2026, 3, 2)))) == []


def test_what_has_no_pages_is_named_in_a_pdf_and_inside_a_zip() -> None:
    video = document(1, stored=StoredObject("k", 5, "ab" * 32, "video/mp4"))
    assert [entry.omitted for entry in select([video]).entries] == [OmissionReason.VIDEO]
    assert select([video], replace(PDF, format=BundleFormat.ZIP)).inside == 1


def test_the_event_of_a_failure_does_not_show_the_build_after_it() -> None:
    states = (BundleState.BUILDING, BundleState.READY, BundleState.FAILED)
    bundles = [
        Bundle("a", NUMBER, state, BundleFormat.ZIP, {}, MONDAY, MONDAY, 1, 1, Secrecy.PUBLIC, listed=True)
        for state in states
    ]
    for event_type, shown in ((EventType.BUNDLE_FAILED, [2]), (EventType.BUNDLE_READY, [1])):
        visible = [show_bundle(event_type, bundle, ALL_SCOPES) is not None for bundle in bundles]
        assert [place for place, is_shown in enumerate(visible) if is_shown] == shown
