"""The table of scopes and routes: what each way out shows of a document, to each key."""

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
from domain.clients import Scope
from domain.completeness import Outcome
from domain.documents import StoredObject
from domain.errors import FailureCode
from domain.listings import DocumentOrigin, ListedDocument, Listing
from domain.run_messages import RunClosing, RunEnding, RunOpening
from domain.secrecy import Secrecy
from settings import load_settings
from tests.support.listings import FIRST_DEGREE, listing_of
from tests.support.numbers import fresh_number

SCOPES = [frozenset(some) for size in range(1, len(Scope) + 1) for some in combinations(Scope, size)]
# Without the scope for it; with all but that one; with it; and with it but without the one to read.
SCANNED = [
    frozenset({Scope.READ}),
    frozenset(Scope) - {Scope.SEALED},
    frozenset({Scope.READ, Scope.SEALED}),
    frozenset(Scope) - {Scope.READ},
]
SECRET_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
# Why a document may have to be withheld, and whether it has to be.
KINDS = {
    "public": False,
    "no level": False,
    "closed piece": True,
    "closed instance": True,
    "closed process": True,
    "not understood": True,
    "gone from the listing": True,
    "relisted": False,
    "no access": True,
    "not found": True,
    "access again": False,
}
UNLISTED = ("gone from the listing", "no access", "not found")
DESCRIBING = ("name", "type", "filed_at", "size_bytes", "media_type", "pages", "sha256", "download_url")


def named(scopes: frozenset[Scope]) -> str:
    """The name of a set of scopes, the same in every test process."""
    return "-".join(sorted(scopes))


@dataclass(frozen=True)
class Case:
    """A process with one document that is stored and one that failed, both of one kind.

    Attributes:
        telling: texts that give something of them away, wherever they stand.
    """

    number: str
    stored: str
    failed: str
    telling: tuple[str, ...]


@dataclass(frozen=True)
class Service:
    """The API over a catalog that holds a case of each kind, with a key for each set of scopes."""

    http: httpx.AsyncClient
    cases: dict[str, Case]
    keys: dict[frozenset[Scope], str]
    paths: list[str]

    async def get(self, address: str, scopes: frozenset[Scope]) -> httpx.Response:
        """An answer to whoever has these scopes."""
        return await self.http.get(address, headers={"Authorization": f"Bearer {self.keys[scopes]}"})


def described(document_id: str, secrecy: Secrecy) -> tuple[ListedDocument, tuple[str, ...]]:
    """A document, and what would tell of it."""
    words = tuple(f"{word}-{uuid4().hex[:12]}" for word in ("name", "type", "source"))
    name, kind, source = words
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
    return document, words


async def case_of(catalog: Catalog, kind: str) -> Case:
    """Lay a case of this kind into the catalog, the way the listings and runs of a worker do."""
    number, stored, failed = fresh_number(), str(uuid4()), str(uuid4())
    own = {
        "public": Secrecy.PUBLIC,
        "closed piece": Secrecy.MINIMUM,
        "not understood": Secrecy.UNRECOGNIZED,
    }.get(kind, Secrecy.UNKNOWN)
    described_ones = [described(each, own) for each in (stored, failed)]
    instance = replace(FIRST_DEGREE, secrecy=Secrecy.ABSOLUTE if kind == "closed instance" else Secrecy.PUBLIC)

    def listing(hour: int, *, whole: bool = True) -> Listing:
        documents = [document for document, _ in described_ones] if whole else []
        made = listing_of(number, documents, hour=hour, instances=(instance,))
        return replace(made, secrecy=Secrecy.JUSTICE_SECRET if kind == "closed process" else Secrecy.UNKNOWN)

    opening = RunOpening(number, str(uuid4()), "desk")
    await catalog.runs.open(opening)
    await catalog.listings.record(listing(0))
    digest, answer = uuid4().hex * 2, f"answer-{uuid4().hex}"
    key = f"processes/{number}/{stored}.bin"
    await catalog.documents.mark_available(number, stored, StoredObject(key, 7_654_321, digest, "video/x-telling"))
    await catalog.documents.record_failed_attempt(number, failed, FailureCode.SEALED, answer, allowed_attempts=1)
    ending = RunEnding(Outcome.PARTIAL)
    if kind in ("gone from the listing", "relisted"):
        await catalog.listings.record(listing(1, whole=False))
    if kind in ("no access", "access again"):
        ending = RunEnding(Outcome.FAILED, FailureCode.NO_ACCESS, "HTTP 401")
    if kind == "not found":
        ending = RunEnding(Outcome.FAILED, FailureCode.NOT_FOUND, "HTTP 404")
    await catalog.runs.close(RunClosing(number, opening.run_id, ending))
    if kind in ("relisted", "access again"):
        await catalog.listings.record(listing(2))
    # The size stands among what is counted, which everybody is told.
    words = [word for _, telling in described_ones for word in telling]
    telling = (*words, digest, answer, "video/x-telling", '"pages":48119', "48,119", '"size_bytes":7654321', key)
    return Case(number, stored, failed, telling)


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The API as it is deployed, over a real catalog; nothing asks Temporal or the store."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('catalog') / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url), Encryptor([SECRET_KEY]))
    cases = {kind: await case_of(catalog, kind) for kind in KINDS}
    keys = {scopes: (await catalog.clients.add_key(named(scopes), scopes, None)).text for scopes in SCOPES}
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


async def bodies(service: Service, case: Case, scopes: frozenset[Scope]) -> list[dict[str, Any]]:
    """Every body of the case's documents, from all routes that give any."""
    found: list[dict[str, Any]] = []
    for address in ("", "/documents"):
        answer = await service.get(f"/processes/{case.number}{address}", scopes)
        assert answer.status_code == 200
        found += answer.json()["documents"]
    for document_id in (case.stored, case.failed):
        answer = await service.get(f"/processes/{case.number}/documents/{document_id}", scopes)
        if answer.status_code == 200:
            found.append(answer.json())
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", SCOPES, ids=named)
async def test_documents_are_shown_by_the_same_rule_on_every_route(
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
    shown = await bodies(service, case, scopes)
    assert case.stored in {document["id"] for document in shown}
    for document in shown:
        assert document["withheld"] is withheld
        assert document["listed"] is (kind not in UNLISTED)
        assert (document["unlisted_at"] is None) is document["listed"]
        assert document["instance"]["degree"] == "G1"
        assert document["status"] in ("available", "failed")
        described_by = {key: document[key] for key in DESCRIBING}
        if withheld:
            assert described_by == dict.fromkeys(DESCRIBING)
            assert document["sources"] == []
            assert not document["failure"] or document["failure"]["answer"] == ""
        else:
            assert document["name"].startswith("name-")
            assert document["sources"][0]["id"].startswith("source-")
            assert (document["download_url"] is None) is (document["status"] != "available")


@pytest.mark.parametrize("scopes", SCANNED, ids=named)
async def test_no_route_gives_away_what_is_withheld(service: Service, scopes: frozenset[Scope]) -> None:
    told: dict[str, int] = {}
    for kind, case in service.cases.items():
        values = {"number": case.number, "code": "sealed", "batch_id": "0" * 32, "delivery_id": "evt_0"}
        for document_id in (case.stored, case.failed):
            of_one = [path for path in service.paths if "{document_id}" in path]
            for path in of_one if document_id == case.failed else service.paths:
                if path.startswith(("/health", "/problems", "/openapi", "/metrics")):
                    continue
                answer = await service.get(path.format(document_id=document_id, **values), scopes)
                said = f"{answer.headers} {answer.text}"
                here = [text for text in case.telling if text in said]
                if Scope.READ not in scopes or (KINDS[kind] and Scope.SEALED not in scopes):
                    assert here == [], (kind, path)
                elif here:
                    told[path] = told.get(path, 0) + 1
    # The texts do stand where they may.
    ways = [
        path for path in service.paths if "document" in path or path.endswith("{number}") or path == "/failures"
    ]
    assert set(told) >= (set(ways) if Scope.READ in scopes else set())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scopes", [each for each in SCOPES if Scope.DOWNLOAD in each], ids=named)
async def test_a_request_for_a_download_shows_no_more(
    service: Service, scopes: frozenset[Scope], kind: str
) -> None:
    case = service.cases[kind]
    answer = await service.http.post(
        f"/processes/{case.number}/downloads",
        headers={"Authorization": f"Bearer {service.keys[scopes]}"},
        json={"max_age": 366 * 24 * 3600},
    )
    assert answer.status_code == 200, answer.text
    opens = Scope.READ in scopes and (Scope.SEALED in scopes or not KINDS[kind])
    assert any(text in answer.text for text in case.telling) is opens
    assert (answer.json()["links_expire_at"] is not None) is opens


@pytest.mark.parametrize("kind", KINDS)
async def test_counts_are_the_same_for_everybody(service: Service, kind: str) -> None:
    number = service.cases[kind].number
    reading = [each for each in SCOPES if Scope.READ in each]
    texts = {(await service.get(f"/processes/{number}/status", scopes)).text for scopes in reading}
    assert len(texts) == 1


async def test_the_list_of_failures_tells_of_a_withheld_document_that_it_failed_and_no_more(
    service: Service,
) -> None:
    for scopes in ({Scope.READ}, {Scope.READ, Scope.SEALED}):
        listed = (await service.get("/failures?limit=200", frozenset(scopes))).json()["failures"]
        told = {one["document"]["id"]: one for one in listed if one["document"]}
        for kind, case in service.cases.items():
            if kind != "gone from the listing":
                document, failure = told[case.failed]["document"], told[case.failed]["failure"]
                withheld = KINDS[kind] and Scope.SEALED not in scopes
                assert failure["code"] == "sealed"
                shown = [document["name"], document["type"], document["filed_at"], failure["answer"] or None]
                assert [each is None for each in shown] == [withheld] * 4
