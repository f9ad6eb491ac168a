"""The list of documents on a process's page: what the URL asks for, and what the page shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.pagination import SEARCH_CURSOR
from api.presenters import FIRST_PAGE_SIZE
from domain.brasilia import BRASILIA
from domain.clients import Client, Scope
from domain.document_search import DocumentFilters, DocumentOrder, DocumentState, FoundDocuments, state_of
from domain.documents import Document
from domain.errors import InvalidInput
from domain.filenames import number_width
from domain.listings import Instance
from domain.secrecy import is_withheld

if TYPE_CHECKING:
    from adapters.database import Catalog

# A form sends its empty fields too.
_OrNone = BeforeValidator(lambda value: value or None)
# Postgres takes no NUL in a text.
_Text = Annotated[str | None, Field(max_length=500, pattern=r"^[^\x00]*$"), _OrNone]
_Day = Annotated[date | None, Field(ge=date(1800, 1, 1), le=date(2200, 12, 31)), _OrNone]


class PageView(StrEnum):
    """What a process's page shows below its head."""

    DOCUMENTS = "documents"
    TIMELINE = "timeline"
    CASE = "case"


class DocumentQuery(BaseModel):
    """The query of a process's page: a view, a search, an order, the cursor of a page, and the code of a notice."""

    model_config = ConfigDict(extra="ignore")

    view: Annotated[PageView, BeforeValidator(lambda value: value or PageView.DOCUMENTS)] = PageView.DOCUMENTS
    q: _Text = None
    type: _Text = None
    instance: _Text = None
    state: Annotated[DocumentState | None, _OrNone] = None
    filed_from: _Day = None
    filed_to: _Day = None
    order: Annotated[DocumentOrder, BeforeValidator(lambda value: value or DocumentOrder.LISTED)] = (
        DocumentOrder.LISTED
    )
    cursor: str | None = None
    notice: str | None = None

    @property
    def filters(self) -> DocumentFilters:
        """Which documents are wanted. Days are those in Brasília."""
        return DocumentFilters(
            text=self.q or "",
            type_name=self.type,
            instance=self.instance,
            state=self.state,
            filed_from=_beginning_of(self.filed_from) if self.filed_from else None,
            filed_before=_beginning_of(self.filed_to + timedelta(days=1)) if self.filed_to else None,
        )

    @property
    def uses_more_filters(self) -> bool:
        """Whether it has one of the filters that the page folds away."""
        return any((self.type, self.instance, self.state, self.filed_from, self.filed_to))

    @property
    def is_default(self) -> bool:
        """Whether it asks for all documents in the usual order."""
        return not self.filters.is_active and self.order is DocumentOrder.LISTED

    def suffix(self, cursor: str | None = None) -> str:
        """Return the query of the same list in a URL, with its question mark. Empty if it is the default.

        Args:
            cursor: The page. None means the first one.
        """
        values = self.model_dump(mode="json", exclude={"cursor", "notice"}, exclude_defaults=True)
        if cursor is not None:
            values["cursor"] = cursor
        return f"?{urlencode(values)}" if values else ""

    def digest(self, number: str) -> str:
        """Return what its cursors are bound to: the process, the search and the order."""
        return sha256(f"{number}{self.suffix()}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DocumentList:
    """A page of documents as a client sees it.

    Attributes:
        found: The documents, and what is known of all documents of the process.
        query: What the page was asked for.
        following: The cursor of the next page. None on the last page.
        scopes: The scopes of the client's key.
    """

    found: FoundDocuments
    query: DocumentQuery
    following: str | None
    scopes: frozenset[Scope]

    @property
    def total(self) -> int:
        """How many documents the process has."""
        return sum(self.found.states.values())

    @property
    def restricted(self) -> int:
        """How many stored documents the client may not open."""
        return self.count(DocumentState.RESTRICTED)

    @property
    def readable(self) -> int:
        """How many stored documents the client may open."""
        return self.count(DocumentState.AVAILABLE)

    @property
    def groups(self) -> tuple[tuple[Instance | None, tuple[Document, ...]], ...]:
        """The documents by instance, in the order of the court's list. In any other order they are one group."""
        if self.query.order is not DocumentOrder.LISTED:
            return ((None, self.found.documents),) if self.found.documents else ()
        groups: dict[Instance | None, list[Document]] = {}
        for document in self.found.documents:
            groups.setdefault(document.instance, []).append(document)
        return tuple((instance, tuple(members)) for instance, members in groups.items())

    @property
    def states(self) -> tuple[DocumentState, ...]:
        """The states to choose from: those that documents of the process have, and the chosen one."""
        return tuple(state for state in DocumentState if self.count(state) or state is self.query.state)

    @property
    def types(self) -> Mapping[str, int]:
        """The types to choose from: those that the client may see, and the chosen one."""
        chosen = {self.query.type: 0} if self.query.type else {}
        return chosen | dict(self.found.types)

    @property
    def is_partly_hidden(self) -> bool:
        """Whether a document was left out because the client may not know whether it matches."""
        return self.query.filters.describes and Scope.SEALED not in self.scopes and self.restricted > 0

    def count(self, state: DocumentState) -> int:
        """Return how many documents of the process have this state."""
        return self.found.states.get(state, 0)

    def number_of(self, document: Document) -> str:
        """Return a document's place among all of its process, as `autos get` writes it in file names."""
        return f"{self.found.numbers[document.id]:0{number_width(self.total)}d}"

    def shows(self, document: Document) -> bool:
        """Return whether the client may see what describes a document, and open it."""
        return not is_withheld(document, self.scopes)

    def state_of(self, document: Document) -> DocumentState:
        """Return what the client sees of a document's state."""
        return state_of(document, self.scopes)


async def read_documents(catalog: Catalog, number: str, client: Client, query: DocumentQuery) -> DocumentList:
    """Read a page of documents.

    Raises:
        InvalidInput: The cursor belongs to another list.
        DependencyUnavailable: The database does not answer.
    """
    cursor = query.cursor if query.view is PageView.DOCUMENTS else None
    after, digest = SEARCH_CURSOR.decode(cursor) or (0, query.digest(number))
    if digest != query.digest(number):
        raise InvalidInput("The cursor is from another search.", code="invalid_cursor", field="cursor")
    found = await catalog.document_search.find(
        number, query.filters, query.order, scopes=client.scopes, after=after, limit=FIRST_PAGE_SIZE + 1
    )
    following = None
    if len(found.documents) > FIRST_PAGE_SIZE:
        last = found.documents[FIRST_PAGE_SIZE - 1]
        following = SEARCH_CURSOR.encode((last.position, query.digest(number)))
    return DocumentList(found.first(FIRST_PAGE_SIZE), query, following, client.scopes)


def _beginning_of(day: date) -> datetime:
    return datetime.combine(day, time.min, BRASILIA)
