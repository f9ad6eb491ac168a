"""Searching the documents of one process: filters, orders, and what a reader sees of a document's state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from domain.clients import Scope
from domain.documents import Document, DocumentStatus
from domain.errors import FailureCode
from domain.listings import Instance
from domain.secrecy import is_withheld
from domain.text import fold


class DocumentState(StrEnum):
    """What a reader sees of a document.

    RESTRICTED: It is stored, but the reader's key may not open it.
    NO_CONTENT: The court lists it without a file or a text.
    """

    AVAILABLE = "available"
    RESTRICTED = "restricted"
    PENDING = "pending"
    FAILED = "failed"
    NO_CONTENT = "no_content"


def state_of(document: Document, scopes: Collection[Scope]) -> DocumentState:
    """Return what a reader with these scopes sees of a document's state."""
    if document.status is DocumentStatus.AVAILABLE and is_withheld(document, scopes):
        return DocumentState.RESTRICTED
    if document.failure is not None and document.failure.code is FailureCode.NO_CONTENT:
        return DocumentState.NO_CONTENT
    return DocumentState(document.status.value)


class DocumentOrder(StrEnum):
    """The orders of a list of documents.

    LISTED: The order in which the court first listed them.
    OLDEST: The first filed first.
    NEWEST: The last filed first.
    NAME: By name, without case and accents.
    LARGEST: The largest first.
    """

    LISTED = "listed"
    OLDEST = "oldest"
    NEWEST = "newest"
    NAME = "name"
    LARGEST = "largest"


@dataclass(frozen=True, slots=True)
class DocumentFilters:
    """Which documents of a process are wanted. Everything that is set must hold.

    Attributes:
        text: Words that must all be in a document's name or type, without regard to case and accents.
        instance: The key of an instance.
        filed_from: Filed then or later.
        filed_before: Filed earlier than then.
    """

    text: str = ""
    type_name: str | None = None
    instance: str | None = None
    state: DocumentState | None = None
    filed_from: datetime | None = None
    filed_before: datetime | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the text, as they are compared."""
        return tuple(dict.fromkeys(fold(self.text).split()))

    @property
    def describes(self) -> bool:
        """Whether it asks for something that describes a document, so that no withheld document may match."""
        return bool(self.words or self.type_name is not None or self.filed_from or self.filed_before)

    @property
    def is_active(self) -> bool:
        """Whether it leaves out anything."""
        return self.describes or self.instance is not None or self.state is not None


@dataclass(frozen=True, slots=True)
class FoundDocuments:
    """A page of documents, and what is known of all documents of the process. All of it from one snapshot.

    Attributes:
        documents: The page, in its order.
        numbers: The place of each document of the page among all documents of the process, from 1, by id.
        matches: How many documents match the filters.
        states: How many documents of the process have each state.
        readable_bytes: The size of all documents that are available to the reader.
        types: The types of the documents that the reader may see, and how many have each.
        instances: The instances that have documents, and how many each has.
    """

    documents: tuple[Document, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)
    matches: int = 0
    states: Mapping[DocumentState, int] = field(default_factory=dict)
    readable_bytes: int = 0
    types: Mapping[str, int] = field(default_factory=dict)
    instances: Mapping[Instance, int] = field(default_factory=dict)

    def first(self, count: int) -> FoundDocuments:
        """Return the same with so many documents at most."""
        return replace(self, documents=self.documents[:count])


def search_text(name: str | None, type_name: str | None) -> str:
    """Return what a document is searched and sorted by: its name, or else its type, then its type."""
    return f"{fold(name or type_name or '')}\n{fold(type_name or '')}"
