"""Kinds of object stores, each simulated by a real store behind a proxy that applies the rules of the kind."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from adapters.storage import ObjectStore
from domain.storage import StorageAddress
from tests.support.object_store import DOMAIN
from tests.support.store_proxy import (
    Refusal,
    Rule,
    StoreProxy,
    StoreRequest,
    store_proxy,
    takes_everything,
)


def _checksum_header(request: StoreRequest) -> str | None:
    return next(
        (name for name in request.headers if name.startswith(("x-amz-checksum", "x-amz-sdk-checksum"))), None
    )


def _asks_for(request: StoreRequest, *subresources: str) -> bool:
    return any(name in parse_qs(request.query, keep_blank_values=True) for name in subresources)


def refuses_checksums(request: StoreRequest) -> Refusal | None:
    """Refuse checksums, tags and ACLs, as Backblaze B2 does."""
    header = _checksum_header(request)
    if header is None:
        return _refuses_tags_and_acls(request, status=400, code="InvalidArgument")
    return Refusal(400, "InvalidArgument", f"Unsupported header '{header}' received for this API call.")


def implements_little(request: StoreRequest) -> Refusal | None:
    """Answer 501 to nearly everything that is optional in S3."""
    header = _checksum_header(request)
    if header is not None:
        return Refusal(501, "NotImplemented", f"Header '{header}' not implemented")
    if _asks_for(request, "uploads") and request.method == "GET":
        return Refusal(501, "NotImplemented", "ListMultipartUploads not implemented")
    return _refuses_tags_and_acls(request, status=501, code="NotImplemented")


def refuses_tags(request: StoreRequest) -> Refusal | None:
    """Refuse tags and ACLs, but compare checksums, as Cloudflare R2 does."""
    return _refuses_tags_and_acls(request, status=501, code="NotImplemented")


def _refuses_tags_and_acls(request: StoreRequest, *, status: int, code: str) -> Refusal | None:
    named = _asks_for(request, "tagging", "acl") or request.headers.keys() & {"x-amz-tagging", "x-amz-acl"}
    return Refusal(status, code, "Not implemented") if named else None


def refuses_path_style(request: StoreRequest) -> Refusal | None:
    """Refuse the bucket in the path: it has to be in the host's name, as with Alibaba's OSS."""
    if not request.headers["host"].startswith((DOMAIN, "127.0.0.1")):
        return None
    return Refusal(403, "SecondLevelDomainForbidden", "Please use virtual hosted style to access.")


@dataclass(frozen=True)
class StoreKind:
    """A kind of store.

    Attributes:
        rule: Which requests it refuses.
        confirms: Whether it compares checksums and confirms them.
        lists_uploads: Whether it can list multipart uploads.
        host: The host name of its endpoint.
    """

    rule: Rule = takes_everything
    confirms: bool = True
    lists_uploads: bool = True
    host: str = "127.0.0.1"


STORE_KINDS = {
    "plain": StoreKind(),
    "refuses-checksums": StoreKind(refuses_checksums, confirms=False),
    "implements-little": StoreKind(implements_little, confirms=False, lists_uploads=False),
    "ignores-checksums": StoreKind(confirms=False),
    "refuses-tags": StoreKind(refuses_tags),
    "refuses-path-style": StoreKind(refuses_path_style, host=DOMAIN),
}


@contextmanager
def resolving_store_names() -> Iterator[None]:
    """Resolve the names of the store and of its buckets to this machine, as a DNS server would."""
    resolve = socket.getaddrinfo

    def resolve_here(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        here = isinstance(name, str) and (name == DOMAIN or name.endswith(f".{DOMAIN}"))
        return resolve("127.0.0.1" if here else host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve_here)
        yield


@contextmanager
def stand_in(kind: StoreKind, s3: StorageAddress) -> Iterator[tuple[StoreProxy, StorageAddress]]:
    """Run a store of a kind in front of a real one for as long as the block lasts. Yields proxy and address."""
    with store_proxy(s3) as proxy, resolving_store_names():
        proxy.rule = kind.rule
        proxy.ignores_checksums = kind.rule is takes_everything and not kind.confirms
        port = proxy.url.rpartition(":")[2]
        yield proxy, replace(s3, endpoint_url=f"http://{kind.host}:{port}")


@asynccontextmanager
async def store_of_kind(kind: StoreKind, s3: StorageAddress) -> AsyncIterator[ObjectStore]:
    """Open a store of a kind that nobody has used yet."""
    with stand_in(kind, s3) as (_, address):
        async with AsyncExitStack() as stack:
            yield await ObjectStore.open(stack, address)
