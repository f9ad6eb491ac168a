"""A second stack that requires keys: once a key has been created, a stack requires keys forever."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.support.cli_commands import run_autos
from tests.support.secret_leaks import find_leaks, list_stack_files
from tests.support.stack import RunningStack, running_stack

OPERATORS_KEY = "the operator's key, of the settings"


@dataclass
class KeyHolder:
    """A client with its key; every answer to it is recorded.

    Attributes:
        secret: the secret that its webhooks are signed with.
        answers: URL, status, headers and body of every answer, redirects included.
    """

    name: str
    key: str
    key_id: str
    secret: str
    http: httpx2.AsyncClient
    answers: list[str] = field(default_factory=list)

    async def record(self, answer: httpx2.Response) -> None:
        """Record an answer."""
        await answer.aread()
        self.answers.append(f"{answer.url} {answer.status_code} {answer.headers} {answer.text}")

    @asynccontextmanager
    async def open_session(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Sign in as a browser does, and yield a client with the session's cookie instead of the key."""
        async with httpx2.AsyncClient(
            base_url=self.http.base_url,
            headers={"Origin": str(self.http.base_url).rstrip("/")},
            event_hooks={"response": [self.record]},
        ) as browser:
            signed_in = await browser.post("/ui/sign-in", data={"key": self.key})
            assert signed_in.status_code == 303
            yield browser


@dataclass
class KeyedStack:
    """A stack that requires keys.

    Attributes:
        stack: the stack. Its `api` client has the operator's key of the settings.
        holders: every client that has got a key.
    """

    stack: RunningStack
    closing: AsyncExitStack
    holders: list[KeyHolder] = field(default_factory=list)

    async def run_autos(self, *arguments: str) -> str:
        """Run a command of ``autos`` that succeeds, and return what it prints."""
        result = await run_autos(self.stack, *arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    async def create_key(self, name: str, *scopes: str, requests_per_minute: int = 0) -> KeyHolder:
        """Create a key with scopes for a client, without a rate limit unless one is given."""
        scope_options = [part for scope in scopes for part in ("--scope", scope)]
        limit_option = ("--requests-per-minute", str(requests_per_minute))
        created = json.loads(await self.run_autos("key", "new", name, *scope_options, *limit_option, "--json"))
        assert sorted(created["scopes"]) == sorted(scopes)
        http = await self.closing.enter_async_context(
            httpx2.AsyncClient(
                base_url=self.stack.addresses["api"],
                headers={"Authorization": f"Bearer {created['key']}"},
                timeout=30,
            )
        )
        holder = KeyHolder(name, created["key"], created["id"], created["webhook_secret"], http)
        http.event_hooks = {"response": [holder.record]}
        self.holders.append(holder)
        return holder

    def find_written_secrets(self) -> list[str]:
        """Name every file that holds a key or a client's secret, and its owner."""
        secrets = {
            f"{holder.name}'s {kind}": secret.encode()
            for holder in self.holders
            for kind, secret in (("key", holder.key), ("secret", holder.secret.removeprefix("whsec_")))
        } | {"the operator's key": OPERATORS_KEY.encode()}
        contents = {path.name: path.read_bytes() for path in list_stack_files(self.stack)}
        return [
            f"{path} holds {name}"
            for path, content in contents.items()
            for name, secret in secrets.items()
            if secret in content
        ]


@dataclass(frozen=True)
class Clients:
    """Clients with keys.

    Desk and archive may download; archive may also read sealed documents. Reader may only read. Chief administers.
    """

    desk: KeyHolder
    archive: KeyHolder
    reader: KeyHolder
    chief: KeyHolder


async def read_events(holder: KeyHolder, number: str) -> dict[str, dict[str, Any]]:
    """Return the events of a client about a process, by their ids."""
    found: dict[str, dict[str, Any]] = {}
    address: str | None = "/events"
    while address:
        page = (await holder.http.get(address)).raise_for_status().json()
        for event in page["events"]:
            if event["data"]["process_number"] == number:
                found[event["id"]] = {name: event[name] for name in ("type", "version", "timestamp", "data")}
        address = page["events_next"]
    return found


@pytest.fixture(scope="session")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedStack]:
    """The stack with keys. At the end of the session, none of its files may hold a secret."""
    async with (
        running_stack(
            tmp_path_factory.mktemp("keyed"),
            AUTOS_API_KEY=OPERATORS_KEY,
            # With keys, receivers on this machine have to be allowed explicitly.
            AUTOS_WEBHOOK_ALLOW_PRIVATE="true",
        ) as stack,
        AsyncExitStack() as closing,
    ):
        stack.api.headers["Authorization"] = f"Bearer {OPERATORS_KEY}"
        keyed = KeyedStack(stack, closing)
        yield keyed
        assert find_leaks(stack) == []
        assert keyed.find_written_secrets() == []


@pytest.fixture(scope="session")
async def clients(keyed: KeyedStack) -> Clients:
    """The clients, with keys created on the command line."""
    return Clients(
        *await asyncio.gather(
            keyed.create_key("desk", "read", "download"),
            keyed.create_key("archive", "read", "download", "sealed"),
            keyed.create_key("reader", "read"),
            keyed.create_key("chief", "read", "admin"),
        )
    )
