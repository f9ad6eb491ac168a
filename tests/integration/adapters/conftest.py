"""The real parts that adapters are tested on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.storage import ObjectStore, open_s3
from domain.storage import StorageAddress, object_prefix
from tests.support.numbers import fresh_number
from tests.support.object_store import running_object_store
from tests.support.postgres import create_database, running_postgres
from tests.support.simulators import SimulatedCourt, running_simulator
from tests.support.store_kinds import STORE_KINDS, StoreKind, store_of_kind

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

NewDatabase = Callable[[], Awaitable[str]]
_COUNTER = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a running Postgres."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewDatabase:
    """Makes empty databases of one dialect, and gives their addresses."""

    async def sqlite() -> str:
        return f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('catalog') / 'autos.db'}"

    async def postgresql() -> str:
        url: str = request.getfixturevalue("postgres")
        return await create_database(url, f"autos_{next(_COUNTER)}")

    return sqlite if request.param == "sqlite" else postgresql


@pytest.fixture(scope="session")
async def database_url(new_database: NewDatabase) -> str:
    """The address of a migrated database that the session's tests share, each with a process of its own."""
    url = await new_database()
    await asyncio.to_thread(upgrade, url)
    return url


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[Database]:
    """The shared database."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture(scope="session")
def catalog(database: Database) -> Catalog:
    """The catalog on the shared database."""
    return Catalog(database)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageAddress]:
    """The address of a running object store."""
    with running_object_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture(scope="session")
async def s3_client(s3: StorageAddress) -> AsyncIterator[S3Client]:
    """A client of the store, to look at what our own has done."""
    async with open_s3(s3) as client:
        yield client


@pytest.fixture(scope="session")
async def store(s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Our store."""
    async with AsyncExitStack() as stack:
        yield await ObjectStore.open(stack, s3)


@pytest.fixture(scope="module", params=STORE_KINDS)
def kind(request: pytest.FixtureRequest) -> StoreKind:
    """A kind of store. Tests that use it run on every kind, unless their module overrides the fixture."""
    return STORE_KINDS[request.param]


@pytest.fixture(scope="module")
async def kind_store(kind: StoreKind, s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Our store, on a store of each kind."""
    async with store_of_kind(kind, s3) as store:
        yield store


@pytest.fixture
def prefix(number: str) -> str:
    """The key prefix of a document that no other test uses."""
    return object_prefix(number, str(uuid4()))


@pytest.fixture(scope="session")
async def simulated() -> AsyncIterator[SimulatedCourt]:
    """A running simulator."""
    with running_simulator() as origin:
        simulated = SimulatedCourt(origin)
        yield simulated
        await simulated.close()


@pytest.fixture
async def simulator(simulated: SimulatedCourt) -> AsyncIterator[SimulatedCourt]:
    """The simulator; what a test orders for all processes ends with it."""
    yield simulated
    await simulated.reset()


@pytest.fixture
def number() -> str:
    """A process that no other test uses."""
    return fresh_number()
