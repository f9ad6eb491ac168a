"""Links return their document under its name, until their expiry, and nothing else."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import collapse_rfc2231_value
from urllib.parse import parse_qs, urlsplit, urlunsplit
from uuid import uuid4

import httpx2
import pytest

from adapters.storage import ObjectStore
from adapters.storage.presigned_urls import LinkSigner
from domain.documents import Document, DocumentStatus
from domain.filenames import safe_filename
from domain.listings import Instance
from domain.secrecy import Secrecy
from domain.storage import StorageAddress, object_prefix
from tests.support.conditions import eventually
from tests.support.contents import content_of, pdf_of

BODY = pdf_of(20_000)
HOSTILE_NAMES = (
    "Petição Inicial.pdf",
    "文書 №1.pdf",
    "RG/CPF - frente e verso.pdf",
    "../../etc/passwd",
    'a"; filename="evil.exe',
    "a\r\nSet-Cookie: session=1",
    "100% & mais? #1 + 2;.pdf",
    "\u202efdp.exe",
    "ç" * 300,
    "\uff02; filename=\uff02evil.exe",
    "",
)


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """An HTTP client without credentials."""
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        yield http


@pytest.fixture(scope="session")
async def signer(s3: StorageAddress) -> AsyncIterator[LinkSigner]:
    """A signer of links that live for five minutes."""
    async with AsyncExitStack():
        yield await LinkSigner.open(s3, timedelta(minutes=5))


@pytest.fixture
async def document(store: ObjectStore, number: str) -> Document:
    """A stored document."""
    document_id = str(uuid4())
    stored = await store.store(
        object_prefix(number, document_id), "a.pdf", content_of(BODY), lambda _: "application/pdf"
    )
    return Document(
        id=document_id,
        position=1,
        status=DocumentStatus.AVAILABLE,
        name="Petição Inicial.pdf",
        type_name=None,
        filed_at=None,
        instance=Instance("G1:45"),
        secrecy=Secrecy.PUBLIC,
        pages=None,
        stored=stored,
    )


async def sign_url(signer: LinkSigner, document: Document) -> str:
    """Return the link of a stored document."""
    link = await signer.sign(document)
    assert link is not None
    return link.url


def parse_filename(header: str) -> str:
    """Return the name under which a browser saves. The extended form takes precedence."""
    message = Message()
    message["Content-Disposition"] = header
    parameters = message.get_params(header="content-disposition")
    assert parameters is not None
    assert parameters[0] == ("attachment", "")
    assert {name for name, _ in parameters[1:]} == {"filename"}
    return collapse_rfc2231_value(parameters[-1][1])


async def test_link_returns_the_exact_bytes(
    signer: LinkSigner, document: Document, http: httpx2.AsyncClient
) -> None:
    answer = await http.get(await sign_url(signer, document))
    assert answer.status_code == 200
    assert document.stored is not None
    assert hashlib.sha256(answer.content).hexdigest() == document.stored.sha256
    assert answer.headers["content-type"] == "application/pdf"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_link_saves_under_the_document_name(
    signer: LinkSigner, document: Document, http: httpx2.AsyncClient, name: str
) -> None:
    answer = await http.get(await sign_url(signer, replace(document, name=name)))
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    expected = safe_filename(name, fallback=document.id, media_type="application/pdf")
    assert parse_filename(answer.headers["content-disposition"]) == expected


async def test_html_is_downloaded_as_an_attachment(
    signer: LinkSigner, store: ObjectStore, document: Document, http: httpx2.AsyncClient, number: str
) -> None:
    stored = await store.store(
        object_prefix(number, "html"), "a", content_of(b"<p>Despacho</p>"), lambda _: "text/html"
    )
    answer = await http.get(await sign_url(signer, replace(document, stored=stored)))
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_only_a_pdf_is_shown_inline(
    signer: LinkSigner, store: ObjectStore, document: Document, http: httpx2.AsyncClient, number: str
) -> None:
    link = await signer.sign(document, inline=True)
    assert link is not None
    answer = await http.get(link.url)
    assert answer.content == BODY
    assert answer.headers["content-type"] == "application/pdf"
    kind, _, name = answer.headers["content-disposition"].partition("; ")
    assert (kind, name) == (
        "inline",
        "filename=\"Peticao Inicial.pdf\"; filename*=UTF-8''Peti%C3%A7%C3%A3o%20Inicial.pdf",
    )
    # A document is what its bytes are, not what its name says.
    for media_type in ("text/html", "image/svg+xml", "application/octet-stream"):
        stored = await store.store(
            object_prefix(number, str(uuid4())),
            "a.pdf",
            content_of(b"<script>alert(1)</script>"),
            lambda _, chosen=media_type: chosen,  # type: ignore[misc]  # mypy cannot infer it.
        )
        link = await signer.sign(replace(document, name="a.pdf", stored=stored), inline=True)
        assert link is not None
        assert (await http.get(link.url)).headers["content-disposition"].startswith("attachment;")


async def test_link_supports_range_requests(
    signer: LinkSigner, document: Document, http: httpx2.AsyncClient
) -> None:
    answer = await http.get(await sign_url(signer, document), headers={"Range": "bytes=9-20"})
    assert (answer.status_code, answer.content) == (206, BODY[9:21])


async def test_link_does_not_open_another_document(
    signer: LinkSigner, document: Document, http: httpx2.AsyncClient
) -> None:
    parts = urlsplit(await sign_url(signer, document))
    other = parts._replace(path=parts.path.replace(document.id, str(uuid4())))
    assert (await http.get(urlunsplit(other))).status_code == 403


@pytest.mark.parametrize(
    "parameter", ["X-Amz-Expires", "X-Amz-Date", "X-Amz-Signature", "response-content-disposition"]
)
async def test_altered_link_is_refused(
    signer: LinkSigner, document: Document, http: httpx2.AsyncClient, parameter: str
) -> None:
    url = await sign_url(signer, document)
    [value] = parse_qs(urlsplit(url).query)[parameter]
    altered = str(httpx2.URL(url).copy_set_param(parameter, value[:-1] + ("1" if value[-1] != "1" else "2")))
    assert altered != url
    assert (await http.get(altered)).status_code in (400, 403)


async def test_link_does_not_allow_writes(signer: LinkSigner, document: Document, http: httpx2.AsyncClient) -> None:
    url = await sign_url(signer, document)
    assert (await http.put(url, content=b"other")).status_code == 403
    assert (await http.delete(url)).status_code == 403
    assert (await http.get(url)).content == BODY


async def test_link_expires_at_its_stated_time(
    s3: StorageAddress, document: Document, http: httpx2.AsyncClient
) -> None:
    async with AsyncExitStack():
        signer = await LinkSigner.open(s3, timedelta(seconds=4))
        link = await signer.sign(document)
    assert link is not None
    assert (await http.get(link.url)).status_code == 200

    async def find_refusal_time() -> datetime | None:
        asked_at = datetime.now(UTC)
        refused = (await http.get(link.url)).status_code == 403
        # However long it took to ask and to be answered.
        assert refused or asked_at < link.expires_at + timedelta(seconds=2)
        return datetime.now(UTC) if refused else None

    assert await eventually(find_refusal_time, "the link's end") >= link.expires_at


async def test_link_states_its_expiry(signer: LinkSigner, document: Document) -> None:
    before = datetime.now(UTC)
    link = await signer.sign(document)
    assert link is not None
    assert before - timedelta(seconds=1) <= link.expires_at - timedelta(minutes=5) <= datetime.now(UTC)


async def test_link_repr_hides_the_signature(signer: LinkSigner, document: Document) -> None:
    link = await signer.sign(document)
    assert link is not None
    assert "X-Amz-Signature" in link.url
    assert "X-Amz" not in repr(link)


async def test_document_that_is_not_stored_has_no_link(signer: LinkSigner, document: Document) -> None:
    missing = replace(document, id=str(uuid4()), status=DocumentStatus.PENDING, stored=None)
    assert await signer.sign(missing) is None
    assert set(await signer.sign_all([document, missing])) == {document.id}


async def test_signing_a_page_yields_to_the_event_loop(signer: LinkSigner, document: Document) -> None:
    page = [replace(document, id=str(uuid4())) for _ in range(1000)]
    turns, signed = 0, asyncio.ensure_future(signer.sign_all(page))
    while not signed.done():
        turns += 1
        await asyncio.sleep(0)
    assert len(await signed) == 1000
    assert turns > 1000 / 100
