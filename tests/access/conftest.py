"""A second stack, on which everybody needs a key: once one is made, a stack asks for keys for ever."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from tests.support.leaks import files_of, leaks_of
from tests.support.stack import ROOT, RunningStack, clean_environment, running_stack

OPERATORS_KEY = "the operator's key, of the settings"


@dataclass
class KeyHolder:
    """A client with its key; whatever it is answered is noted.

    Attributes:
        secret: what its webhooks are signed with.
        told: every body that it was answered with, with every address it was led to.
    """

    name: str
    key: str
    key_id: str
    secret: str
    http: httpx.AsyncClient
    told: list[str] = field(default_factory=list)

    async def note(self, answer: httpx.Response) -> None:
        """Keep what was said."""
        await answer.aread()
        self.told.append(f"{answer.url} {answer.status_code} {answer.headers} {answer.text}")

    @asynccontextmanager
    async def signed_in(self) -> AsyncIterator[httpx.AsyncClient]:
        """The same person in a browser: a session instead of the key."""
        async with httpx.AsyncClient(
            base_url=self.http.base_url,
            headers={"Origin": str(self.http.base_url).rstrip("/")},
            event_hooks={"response": [self.note]},
        ) as browser:
            signed = await browser.post("/ui/sign-in", data={"key": self.key})
            assert signed.status_code == 303
            yield browser


@dataclass
class KeyedStack:
    """A stack that asks for keys.

    Attributes:
        stack: the stack; its client is the operator, with the key of the settings.
        holders: everybody who was ever given a key.
    """

    stack: RunningStack
    closing: AsyncExitStack
    holders: list[KeyHolder] = field(default_factory=list)

    async def autos(self, *arguments: str) -> str:
        """Run a command of ``autos`` against the stack's catalog; what it prints."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(ROOT / "cli.py"), *arguments),
            env=clean_environment(AUTOS_DATA_DIR=str(self.stack.data_dir)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode()

    async def key(self, name: str, *scopes: str, requests_per_minute: int = 0) -> KeyHolder:
        """A new client with a key that allows this."""
        chosen = [part for scope in scopes for part in ("--scope", scope)]
        limit = ("--requests-per-minute", str(requests_per_minute))
        made = json.loads(await self.autos("key", "new", name, *chosen, *limit, "--json"))
        assert sorted(made["scopes"]) == sorted(scopes)
        http = await self.closing.enter_async_context(
            httpx.AsyncClient(
                base_url=self.stack.addresses["api"],
                headers={"Authorization": f"Bearer {made['key']}"},
                timeout=30,
            )
        )
        holder = KeyHolder(name, made["key"], made["id"], made["webhook_secret"], http)
        http.event_hooks = {"response": [holder.note]}
        self.holders.append(holder)
        return holder

    def secrets_written(self) -> list[str]:
        """Every file that holds a key or a client's secret, and whose."""
        named = {
            f"{holder.name}'s {kind}": secret.encode()
            for holder in self.holders
            for kind, secret in (("key", holder.key), ("secret", holder.secret.removeprefix("whsec_")))
        } | {"the operator's key": OPERATORS_KEY.encode()}
        contents = {path.name: path.read_bytes() for path in files_of(self.stack)}
        return [
            f"{path} holds {name}"
            for path, content in contents.items()
            for name, secret in named.items()
            if secret in content
        ]


@dataclass(frozen=True)
class Clients:
    """Who has keys: two who download, one of whom may read what is sealed, one who reads, and an administrator."""

    desk: KeyHolder
    archive: KeyHolder
    reader: KeyHolder
    chief: KeyHolder


@pytest.fixture(scope="session")
async def keyed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedStack]:
    """The stack with keys. When it is stopped, no file of it holds a secret."""
    async with (
        running_stack(
            tmp_path_factory.mktemp("keyed"),
            AUTOS_API_KEY=OPERATORS_KEY,
            # With keys, receivers on this machine have to be allowed in so many words.
            AUTOS_WEBHOOK_ALLOW_PRIVATE="true",
        ) as stack,
        AsyncExitStack() as closing,
    ):
        stack.api.headers["Authorization"] = f"Bearer {OPERATORS_KEY}"
        keyed = KeyedStack(stack, closing)
        yield keyed
        assert leaks_of(stack) == []
        assert keyed.secrets_written() == []


@pytest.fixture(scope="session")
async def clients(keyed: KeyedStack) -> Clients:
    """The clients, with keys from the command line."""
    return Clients(
        *await asyncio.gather(
            keyed.key("desk", "read", "download"),
            keyed.key("archive", "read", "download", "sealed"),
            keyed.key("reader", "read"),
            keyed.key("chief", "read", "admin"),
        )
    )
