"""What each route shows of a document to each set of scopes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx
import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from api.app import create_app
from domain.bundle_contents import Omission, OmissionReason
from domain.bundle_selection import BundleFormat, BundleOptions, select_documents
from domain.bundles import BundleProgress
from domain.clients import ALL_SCOPES, Scope
from domain.completeness import Outcome
from domain.documents import StoredObject
from domain.errors import FailureCode
from domain.listings import DocumentOrigin, ListedDocument, Listing
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from settings import load_settings
from tests.support.listings import FIRST_DEGREE, listing_of
from tests.support.numbers import fresh_number

SCOPES = [frozenset(scopes) for size in range(1, len(Scope) + 1) for scopes in combinations(Scope, size)]
# Read only; all but `sealed`; read and `sealed`; all but read.
SCANNED_SCOPES = [
    frozenset({Scope.READ}),
    frozenset(Scope) - {Scope.SEALED},
    frozenset({Scope.READ, Scope.SEALED}),
    frozenset(Scope) - {Scope.READ},
]
SECRET_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
# The situations of a document, and whether it is withheld from keys without `sealed`.
KINDS = {
    "public": False,
    "no level": False,
    "secret document": True,
    "secret instance": True,
    "secret process": True,
    "unrecognized level": True,
    "unlisted": True,
    "relisted": False,
    "no access": True,
    "not found": True,
    "access restored": False,
}
UNLISTED = ("unlisted", "no access", "not found")
DETAIL_FIELDS = ("name", "type", "filed_at", "size_bytes", "media_type", "pages", "sha256", "download_url")


def name_scopes(scopes: frozenset[Scope]) -> str:
    """Return a name for a set of scopes, the same in every xdist worker."""
    return "-".join(sorted(scopes))


@dataclass(frozen=True)
class Case:
    """A process with one stored and one failed document, both of one kind.

    Attributes:
        bundle: A bundle of both, as a key with the scope `sealed` has requested it.
        revealing_texts: Texts that reveal something of the documents, wherever they appear.
    """

    number: str
    stored: str
    failed: str
    bundle: str
    revealing_texts: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """The API over a catalog with a case of each kind and a key for each set of scopes."""

    http: httpx.AsyncClient
    cases: dict[str, Case]
    keys: dict[frozenset[Scope], str]
    paths: list[str]

    async def get(self, address: str, scopes: frozenset[Scope]) -> httpx.Response:
        """Send a GET request with the key of these scopes."""
        return await self.http.get(address, headers={"Authorization": f"Bearer {self.keys[scopes]}"})


def create_listed_document(document_id: str, secrecy: Secrecy) -> tuple[ListedDocument, tuple[str, ...]]:
    """Return a document with unique texts, and those texts."""
    texts = tuple(f"{word}-{uuid4().hex[:12]}" for word in ("name", "type", "source"))
    name, kind, source = texts
    document = ListedDocument(
        id=document_id,
        instance_key=FIRST_DEGREE.key,
        name=name,
        type_name=kind,
        secrecy=secrecy,
        binary_href=f"/processos/0/documentos/{document_id}/binario",
        pages=48119,
        filed_at=FIRST_DEGREE.filed_at,
        sources=(DocumentOrigin(source, 45),),
    )
    return document, texts


async def create_case(catalog: Catalog, kind: str) -> Case:
    """Create a case of this kind in the catalog with the calls that a worker makes."""
    number, stored, failed = fresh_number(), str(uuid4()), str(uuid4())
    own = {
        "public": Secrecy.PUBLIC,
        "secret document": Secrecy.MINIMUM,
        "unrecognized level": Secrecy.UNRECOGNIZED,
    }.get(kind, Secrecy.UNKNOWN)
    listed = [create_listed_document(document_id, own) for document_id in (stored, failed)]
    instance = replace(FIRST_DEGREE, secrecy=Secrecy.ABSOLUTE if kind == "secret instance" else Secrecy.PUBLIC)

    def create_listing(hour: int, *, whole: bool = True) -> Listing:
        documents = [document for document, _ in listed] if whole else []
        listing = listing_of(number, documents, hour=hour, instances=(instance,))
        return replace(listing, secrecy=Secrecy.JUSTICE_SECRET if kind == "secret process" else Secrecy.UNKNOWN)

    opening = RunOpening(number, str(uuid4()), "desk")
    await catalog.runs.open(opening)
    await catalog.listings.record(create_listing(0))
    digest, answer = uuid4().hex * 2, f"answer-{uuid4().hex}"
    key = f"processes/{number}/{stored}.bin"
    await catalog.documents.mark_available(number, stored, StoredObject(key, 7_654_321, digest, "video/x-telling"))
    await catalog.documents.record_failed_attempt(number, failed, FailureCode.SEALED, answer, allowed_attempts=1)
    ending = RunEnding(Outcome.PARTIAL)
    if kind in ("unlisted", "relisted"):
        await catalog.listings.record(create_listing(1, whole=False))
    if kind in ("no access", "access restored"):
        ending = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401")
    if kind == "not found":
        ending = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "HTTP 404")
    await catalog.runs.close(RunClosing(number, opening.run_id, ending))
    if kind in ("relisted", "access restored"):
        await catalog.listings.record(create_listing(2))
    # The bare size is not listed: it is part of the counts, which every key may read.
    unique_texts = [text for _, texts in listed for text in texts]
    revealing_texts = (
        *unique_texts,
        digest,
        answer,
        "video/x-telling",
        '"pages":48119',
        "48,119",
        '"size_bytes":7654321',
        key,
    )
    return Case(number, stored, failed, await create_bundle(catalog, number), revealing_texts)


async def create_bundle(catalog: Catalog, number: str) -> str:
    """Create a bundle of all documents of a process that is ready, and return its id."""
    known = await catalog.bundle_builds.list_documents(number)
    selection = select_documents(number, known, BundleOptions(BundleFormat.ZIP), ALL_SCOPES)
    await catalog.bundles.request(selection, "archive")
    file = StoredObject(f"bundles/{number}/{selection.id}.zip", 8_000_000, "ab" * 32, "application/zip")
    omitted = [
        Omission(document.position, document.id, document.name, OmissionReason.FAILED, "")
        for document in known
        if document.stored is None
    ]
    await catalog.bundles.record_ready(selection.id, number, file, BundleProgress(), omitted, pages=None)
    return selection.id


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The API as deployed, over a real catalog. No request here reaches Temporal or the object store."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('catalog') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url), Encryptor([SECRET_KEY]))
    cases = {kind: await create_case(catalog, kind) for kind in KINDS}
    keys = {scopes: (await catalog.clients.add_key(name_scopes(scopes), scopes, None)).text for scopes in SCOPES}
    await catalog.close()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AUTOS_DATABASE_URL", url)
        environment.setenv("AUTOS_SECRET_KEY", SECRET_KEY)
        environment.setenv("AUTOS_S3_ACCESS_KEY_ID", "key")
        environment.setenv("AUTOS_S3_SECRET_ACCESS_KEY", "secret")
        app = create_app(load_settings())
        paths = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as http,
        ):
            yield Service(http, cases, keys, [*paths, "/", "/ui/processes/{number}", "/ui/processes/{number}/live"])


async def collect_document_bodies(service: Service, case: Case, scopes: frozenset[Scope]) -> list[dict[str, Any]]:
    """Return every body of the case's documents, from all routes that return documents."""
    documents: list[dict[str, Any]] = []
    for address in ("", "/documents"):
        answer = await service.get(f"/processes/{case.number}{address}", scopes)
        assert answer.status_code == 200
        documents += answer.json()["documents"]
    for document_id in (case.stored, case.failed):
        answer = await service.get(f"/processes/{case.number}/documents/{document_id}", scopes)
        if answer.status_code == 200:
            documents.append(answer.json())
    return documents


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", SCOPES, ids=name_scopes)
async def test_every_route_withholds_documents_by_the_same_rule(
    service: Service, scopes: frozenset[Scope], kind: str
) -> None:
    case, withheld = service.cases[kind], KINDS[kind] and Scope.SEALED not in scopes
    content = f"/processes/{case.number}/documents/{case.stored}/content"
    if Scope.READ not in scopes:
        for address in (f"/processes/{case.number}", f"/processes/{case.number}/documents", "/failures", content):
            assert (await service.get(address, scopes)).status_code == 403, address
        return
    opened = await service.get(content, scopes)
    assert opened.status_code == (403 if withheld else 307)
    assert ("location" in opened.headers) is not withheld
    if withheld:
        assert opened.json()["code"] == "sealed"
    bundle = f"/processes/{case.number}/bundles/{case.bundle}"
    assert (await service.get(bundle, scopes)).status_code == (403 if withheld else 200)
    opened = await service.get(f"{bundle}/content", scopes)
    assert opened.status_code == (403 if withheld else 307)
    assert ("location" in opened.headers) is not withheld
    shown = await collect_document_bodies(service, case, scopes)
    assert case.stored in {document["id"] for document in shown}
    for document in shown:
        assert document["withheld"] is withheld
        assert document["listed"] is (kind not in UNLISTED)
        assert (document["unlisted_at"] is None) is document["listed"]
        assert document["instance"]["degree"] == "G1"
        assert document["status"] in ("available", "failed")
        details = {key: document[key] for key in DETAIL_FIELDS}
        if withheld:
            assert details == dict.fromkeys(DETAIL_FIELDS)
            assert document["sources"] == []
            assert not document["failure"] or document["failure"]["answer"] == ""
        else:
            assert document["name"].startswith("name-")
            assert document["sources"][0]["id"].startswith("source-")
            assert (document["download_url"] is None) is (document["status"] != "available")


@pytest.mark.parametrize("scopes", SCANNED_SCOPES, ids=name_scopes)
async def test_no_route_reveals_withheld_texts(service: Service, scopes: frozenset[Scope]) -> None:
    revealing_paths: set[str] = set()
    for kind, case in service.cases.items():
        values = {"number": case.number, "code": "sealed", "batch_id": "0" * 32, "delivery_id": "evt_0"}
        values["bundle_id"] = case.bundle
        for document_id in (case.stored, case.failed):
            document_only = [path for path in service.paths if "{document_id}" in path]
            for path in document_only if document_id == case.failed else service.paths:
                if path.startswith(("/health", "/problems", "/openapi", "/metrics")):
                    continue
                answer = await service.get(path.format(document_id=document_id, **values), scopes)
                full_text = f"{answer.headers} {answer.text}"
                revealed = [text for text in case.revealing_texts if text in full_text]
                if Scope.READ not in scopes or (KINDS[kind] and Scope.SEALED not in scopes):
                    assert revealed == [], (kind, path)
                elif revealed:
                    revealing_paths.add(path)
    # Where the scopes allow it, the texts do appear.
    document_paths = [
        path for path in service.paths if "document" in path or path.endswith("{number}") or path == "/failures"
    ]
    assert revealing_paths >= (set(document_paths) if Scope.READ in scopes else set())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", [scopes for scopes in SCOPES if Scope.DOWNLOAD in scopes], ids=name_scopes)
async def test_download_request_reveals_no_withheld_texts(
    service: Service, scopes: frozenset[Scope], kind: str
) -> None:
    case = service.cases[kind]
    answer = await service.http.post(
        f"/processes/{case.number}/downloads",
        headers={"Authorization": f"Bearer {service.keys[scopes]}"},
        json={"max_age": 366 * 24 * 3600},
    )
    assert answer.status_code == 200, answer.text
    visible = Scope.READ in scopes and (Scope.SEALED in scopes or not KINDS[kind])
    assert any(text in answer.text for text in case.revealing_texts) is visible
    assert (answer.json()["links_expire_at"] is not None) is visible


@pytest.mark.parametrize("kind", KINDS)
async def test_status_counts_are_the_same_for_every_scope(service: Service, kind: str) -> None:
    number = service.cases[kind].number
    reading = [scopes for scopes in SCOPES if Scope.READ in scopes]
    texts = {(await service.get(f"/processes/{number}/status", scopes)).text for scopes in reading}
    assert len(texts) == 1


async def test_failure_list_shows_only_the_code_of_withheld_documents(
    service: Service,
) -> None:
    for scopes in ({Scope.READ}, {Scope.READ, Scope.SEALED}):
        listed = (await service.get("/failures?limit=200", frozenset(scopes))).json()["failures"]
        by_document = {failure["document"]["id"]: failure for failure in listed if failure["document"]}
        for kind, case in service.cases.items():
            if kind != "unlisted":
                document, failure = by_document[case.failed]["document"], by_document[case.failed]["failure"]
                withheld = KINDS[kind] and Scope.SEALED not in scopes
                assert failure["code"] == "sealed"
                shown = [document["name"], document["type"], document["filed_at"], failure["answer"] or None]
                assert [value is None for value in shown] == [withheld] * 4
