"""What each route shows of a document to each set of scopes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from api.app import create_app
from domain.clients import Scope
from domain.completeness import Outcome
from domain.documents import StoredObject
from domain.errors import FailureCode
from domain.listings import (
    DocumentOrigin,
    Lawyer,
    ListedDocument,
    ListedMovement,
    Listing,
    Party,
    RelatedProcess,
)
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from settings import load_settings
from tests.support.listings import FIRST_DEGREE, listing_of
from tests.support.numbers import fresh_number
from tests.support.ready_bundles import create_ready_bundle

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
# Where the whole case is withheld: its parties, related processes, basic data and movements.
WITHHELD_CASES = ("secret instance", "secret process", "no access", "not found")
# A movement has the level of its document here, and may itself be sealed.
WITHHELD_MOVEMENTS = (*WITHHELD_CASES, "secret document", "unrecognized level")
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
        movement: The text of a movement about the stored document.
        case_texts: Texts about the parties, the related processes and the instance's basic data.
    """

    number: str
    stored: str
    failed: str
    bundle: str
    revealing_texts: tuple[str, ...]
    movement: str
    case_texts: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """The API over a catalog with a case of each kind and a key for each set of scopes."""

    http: httpx2.AsyncClient
    cases: dict[str, Case]
    keys: dict[frozenset[Scope], str]
    paths: list[str]
    catalog: Catalog

    async def get(self, address: str, scopes: frozenset[Scope]) -> httpx2.Response:
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
    former, movement, party, lawyer, related, subject = (
        f"{word}-{uuid4().hex[:12]}" for word in ("former", "movement", "party", "lawyer", "related", "subject")
    )
    instance = replace(
        FIRST_DEGREE,
        secrecy=Secrecy.ABSOLUTE if kind == "secret instance" else Secrecy.PUBLIC,
        class_name=subject,
        subjects=(subject,),
    )

    def create_listing(hour: int, *, whole: bool = True) -> Listing:
        documents = [document for document, _ in listed] if whole else []
        return replace(
            listing_of(number, documents, hour=hour, instances=(instance,)),
            secrecy=Secrecy.JUSTICE_SECRET if kind == "secret process" else Secrecy.UNKNOWN,
            class_name=subject,
            subjects=(subject,),
            movements=(ListedMovement("m1", instance.key, None, 60, movement, stored, own),),
            parties=(Party(instance.key, party, "ATIVO", (Lawyer(lawyer),)),),
            related=(RelatedProcess(instance.key, related),),
        )

    opening = RunOpening(number, str(uuid4()), "desk")
    await catalog.runs.open(opening)
    baseline = create_listing(-1)
    earlier = tuple(replace(document, name=former) for document in baseline.documents)
    await catalog.listings.record(replace(baseline, documents=earlier, movements=()))
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
        former,
        digest,
        answer,
        "video/x-telling",
        '"pages":48119',
        "48,119",
        '"size_bytes":7654321',
        key,
    )
    bundle = await create_ready_bundle(catalog, number)
    return Case(number, stored, failed, bundle, revealing_texts, movement, (party, lawyer, related, subject))


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
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000") as http,
        ):
            page = "/ui/processes/{number}"
            pages = ["/", page, f"{page}/live", f"{page}?view=timeline", f"{page}?view=case"]
            yield Service(http, cases, keys, [*paths, *pages], app.state.catalog)


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
        path
        for path in service.paths
        if "document" in path or path.endswith(("{number}", "/timeline", "/changes")) or path == "/failures"
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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", SCANNED_SCOPES, ids=name_scopes)
async def test_case_timeline_and_changes_show_what_the_scopes_allow(
    service: Service, scopes: frozenset[Scope], kind: str
) -> None:
    case = service.cases[kind]
    answers = {
        path: await service.get(f"/processes/{case.number}/{path}", scopes)
        for path in ("case", "timeline", "changes")
    }
    if Scope.READ not in scopes:
        assert {answer.status_code for answer in answers.values()} == {403}
        return
    bodies = {path: answer.json() for path, answer in answers.items()}
    sees_sealed = Scope.SEALED in scopes
    is_case_shown = sees_sealed or kind not in WITHHELD_CASES
    assert [text in answers["case"].text for text in case.case_texts] == [is_case_shown] * 4
    assert bodies["case"]["withheld"] is (not sees_sealed and kind in ("secret process", "no access", "not found"))
    assert [instance["withheld"] for instance in bodies["case"]["instances"]] == [not is_case_shown]
    is_movement_shown = sees_sealed or kind not in WITHHELD_MOVEMENTS
    is_document_shown = sees_sealed or not KINDS[kind]
    for path in ("timeline", "changes"):
        assert (case.movement in answers[path].text) is is_movement_shown
        # Here not even its id: what a key may not read is left out.
        assert (case.stored in answers[path].text) is is_document_shown
    entries = bodies["timeline"]["entries"]
    assert len(entries) == is_movement_shown + (
        2 if is_document_shown and kind != "unlisted" else is_document_shown
    )
    kinds = [change["kind"] for change in bodies["changes"]["changes"]]
    assert kinds == ["document_changed"] * 2 * is_document_shown + ["movement_added"] * is_movement_shown


async def test_that_a_document_is_unlisted_is_shown_without_what_it_was(service: Service) -> None:
    case = service.cases["unlisted"]
    catalog = service.catalog
    await catalog.listings.record(listing_of(case.number, [], hour=30))
    for scopes in (frozenset({Scope.READ}), frozenset({Scope.READ, Scope.SEALED})):
        answer = await service.get(f"/processes/{case.number}/changes", scopes)
        [change] = [
            each
            for each in answer.json()["changes"]
            if each["kind"] == "document_unlisted" and each["document"]["id"] == case.stored
        ]
        sees_sealed = Scope.SEALED in scopes
        assert change["document"]["withheld"] is not sees_sealed
        assert (change["document"]["name"] is not None) is sees_sealed
        assert any(text in answer.text for text in case.revealing_texts) is sees_sealed
