"""Bodies built as dictionaries have exactly the fields and formats of their response models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.storage.link_issuer import LinkIssuer
from adapters.temporal.run_client import RunClient
from api.presenters import ProcessPresenter
from api.schemas.documents import DocumentBody, DocumentsBody
from api.schemas.processes import ProcessBody, StatusBody
from domain.accesses import Recipient
from domain.clients import ALL_SCOPES, Client, Scope
from domain.completeness import Completeness, Outcome, Phase
from domain.documents import Document, DocumentStatus, Failure, FormerVersion, Link
from domain.errors import FailureCode
from domain.listings import DocumentOrigin
from domain.open_runs import OpenRun
from domain.process_number import ProcessNumber
from domain.processes import Process, Run
from domain.secrecy import Secrecy
from tests.support.listings import FIRST_DEGREE, document_ids, stored_object
from tests.support.numbers import fresh_number

NOW = datetime(2026, 3, 2, 10, 0, 0, 123_000, UTC)
NUMBER = ProcessNumber.parse(fresh_number())
FAILURE = Failure(FailureCode.SOURCE_UNAVAILABLE, "Erro interno", 5, NOW)
CLIENTS = [Client("all", ALL_SCOPES), Client("reader", frozenset({Scope.READ}))]


def create_document(document_id: str, status: DocumentStatus, secrecy: Secrecy = Secrecy.PUBLIC) -> Document:
    """Return a document with a value for every field that a document of this status can have."""
    available = status is DocumentStatus.AVAILABLE
    stored = stored_object(NUMBER.canonical, document_id)
    return Document(
        id=document_id,
        position=1,
        status=status,
        name="Petição.pdf",
        type_name="Petição",
        filed_at=NOW,
        instance=FIRST_DEGREE,
        secrecy=secrecy,
        pages=3,
        sources=(DocumentOrigin(id=document_id, source=1),),
        stored=stored if available else None,
        failure=FAILURE if status is DocumentStatus.FAILED else None,
        unlisted_at=NOW if available else None,
        version=2,
        versions=(FormerVersion(1, "Petição.pdf", NOW, stored, NOW, NOW),) if available else (),
    )


DOCUMENTS = [
    *(
        create_document(document_id, status)
        for document_id, status in zip(document_ids(3), DocumentStatus, strict=True)
    ),
    create_document(document_ids(1)[0], DocumentStatus.AVAILABLE, Secrecy.UNRECOGNIZED),
]
RUN = Run("run", "local", NOW, NOW, Outcome.FAILED, FailureCode.NOT_FOUND, chosen_documents=2)
PROCESSES: list[tuple[Process, OpenRun | None]] = [
    (Process(NUMBER.canonical, NUMBER.court), None),
    (
        Process(NUMBER.canonical, NUMBER.court, NOW, 4, FAILURE, Completeness(available=1, pending=3), RUN),
        OpenRun("another", NOW, Phase.DOWNLOADING, "local", 1),
    ),
]


class Issuer:
    """A fake `LinkIssuer` that issues a link for every stored document."""

    async def issue(self, documents: Sequence[Document], *_: object, **__: object) -> dict[str, Link]:
        """Return the links by id."""
        return {document.id: Link("https://store.test/link", NOW) for document in documents if document.stored}


@pytest.fixture
def presenter() -> ProcessPresenter:
    """A presenter of the documents above."""

    async def page(*_: object, **__: object) -> list[Document]:
        return DOCUMENTS

    async def count_failures_by_code(_: str) -> dict[str, int]:
        return {"sealed": 2}

    catalog: Any = SimpleNamespace(
        documents=SimpleNamespace(page=page),
        processes=SimpleNamespace(count_failures_by_code=count_failures_by_code),
    )
    return ProcessPresenter(catalog, cast("LinkIssuer", Issuer()), cast("RunClient", None))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
@pytest.mark.parametrize(("process", "open_run"), PROCESSES, ids=["unknown", "with everything"])
async def test_process_and_status_have_the_fields_of_their_models(
    presenter: ProcessPresenter, process: Process, open_run: OpenRun | None, client: Client
) -> None:
    body = await presenter.process_body(process, open_run, Recipient(client))
    assert ProcessBody.model_validate(body).model_dump(mode="json") == body
    status = await presenter.status_body(process, open_run)
    assert StatusBody.model_validate(status).model_dump(mode="json") == status


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
async def test_documents_have_the_fields_of_their_model(presenter: ProcessPresenter, client: Client) -> None:
    # One document more than the limit, so that there is a next page.
    page = await presenter.documents_body(NUMBER, Recipient(client), after=0, limit=3, status=None)
    assert page["next_cursor"]
    assert DocumentsBody.model_validate(page).model_dump(mode="json") == page
    for document in DOCUMENTS:
        body = await presenter.document_body(NUMBER, document, Recipient(client))
        assert DocumentBody.model_validate(body).model_dump(mode="json") == body
