"""Watches: what clients ask to be told of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from api.pagination import WATCH_CURSOR, page_url
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.watches import (
    NewWatchesBody,
    NewWatchesResultBody,
    WatchBody,
    WatchesBody,
    WatchesQuery,
    WatchItemBody,
    WatchItemState,
    WatchWishBody,
)
from api.services.process_numbers import read_process_numbers
from domain.batches import ERASED_PROBLEM, ERASED_PROBLEM_DETAIL, BatchItem
from domain.clients import Client, Scope
from domain.errors import ProcessErased
from domain.process_number import ProcessNumber
from domain.watches import WatchWish

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.webhooks import AddressGuard

_NUMBERS_PER_TRANSACTION = 50

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WatchService:
    """Keeps the watches of clients. The workers have the processes looked at.

    Every method raises DependencyUnavailable if the database does not answer.
    """

    catalog: Catalog
    address_guard: AddressGuard

    async def put(self, number: ProcessNumber, client: Client, body: WatchWishBody) -> WatchBody:
        """Watch a process, or change what a watch does. Idempotent.

        Raises:
            InvalidInput: The webhook URL is not allowed. Nothing was changed.
            ProcessErased: The process was erased.
        """
        await self._check_address(body)
        watch = await self.catalog.watches.put(number.canonical, client.name, body.to_wish())
        _log.info("watched", process=number.canonical, client=client.name)
        return WatchBody.of(watch, datetime.now(UTC))

    async def put_many(self, client: Client, body: NewWatchesBody) -> NewWatchesResultBody:
        """Watch many processes. Those that cannot be watched do not stop the others. Idempotent.

        Raises:
            InvalidInput: The webhook URL is not allowed. Nothing was changed.
            Problem: The request has no valid process number. Nothing was changed.
        """
        await self._check_address(body)
        items, duplicates = read_process_numbers(body.process_numbers)
        numbers = [item.process_number for item in items if item.process_number is not None]
        erased: set[str] = set()
        for start in range(0, len(numbers), _NUMBERS_PER_TRANSACTION):
            chunk = numbers[start : start + _NUMBERS_PER_TRANSACTION]
            erased |= await self._put_chunk(set(chunk), client, body.to_wish())
        results = [
            WatchItemBody.of(_mark_erased(item) if item.process_number in erased else item) for item in items
        ]
        counts = {state: sum(result.state is state for result in results) for state in WatchItemState}
        _log.info("watched", client=client.name, processes=counts[WatchItemState.WATCHED])
        return NewWatchesResultBody(
            watched=counts[WatchItemState.WATCHED],
            invalid=counts[WatchItemState.INVALID],
            erased=counts[WatchItemState.ERASED],
            duplicates=duplicates,
            items=results,
        )

    async def get(self, number: ProcessNumber, client: Client) -> WatchBody:
        """Return the client's watch of a process.

        Raises:
            Problem: 404, the client does not watch it.
            ProcessErased: The process was erased.
        """
        watch = await self.find(number, client)
        if watch is None:
            raise Problem(ProblemCode.WATCH_UNKNOWN, f"You do not watch {number}.")
        return watch

    async def find(self, number: ProcessNumber, client: Client) -> WatchBody | None:
        """Return the client's watch of a process. None if the client does not watch it.

        Raises:
            ProcessErased: The process was erased.
        """
        watch = await self.catalog.watches.get(number.canonical, client.name)
        return None if watch is None else WatchBody.of(watch, datetime.now(UTC))

    async def remove(self, number: ProcessNumber, client: Client) -> None:
        """Stop watching a process. No effect if the client does not watch it."""
        if await self.catalog.watches.remove(number.canonical, client.name):
            _log.info("no longer watched", process=number.canonical, client=client.name)

    async def list_watches(self, client: Client, query: WatchesQuery) -> WatchesBody:
        """Return a page of the client's watches, newest first. Administrators see those of all clients.

        Raises:
            InvalidInput: The cursor is not valid.
        """
        rows = await self.catalog.watches.page(
            None if client.may(Scope.ADMIN) else client.name,
            query.state,
            after=WATCH_CURSOR.decode(query.cursor),
            limit=query.limit + 1,
        )
        page = rows[: query.limit]
        cursor = WATCH_CURSOR.encode(page[-1].sort_key) if len(rows) > query.limit else None
        now = datetime.now(UTC)
        parameters = {"state": query.state, "cursor": cursor, "limit": query.limit}
        return WatchesBody(
            watches=[WatchBody.of(watch, now) for watch in page],
            next_cursor=cursor,
            watches_next=page_url("/watches", parameters) if cursor else None,
        )

    async def _put_chunk(self, numbers: set[str], client: Client, wish: WatchWish) -> set[str]:
        """Watch processes, and return those that cannot be watched because they were erased."""
        erased: set[str] = set()
        while numbers - erased:
            try:
                await self.catalog.watches.put_all(numbers - erased, client.name, wish)
            except ProcessErased as error:
                erased.add(error.process_number)
            else:
                break
        return erased

    async def _check_address(self, body: WatchWishBody) -> None:
        if body.webhook_url is not None:
            await self.address_guard.check(body.webhook_url)


def _mark_erased(item: BatchItem) -> BatchItem:
    return replace(item, problem_code=ERASED_PROBLEM, problem_detail=ERASED_PROBLEM_DETAIL)
