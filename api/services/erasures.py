"""Erasures and legal holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from api.presenters import process_unknown
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.clients import Client
from domain.erasure import Author, Erasure, ErasureState, LegalHold
from domain.erasure_messages import ErasureRequest
from domain.errors import DependencyUnavailable, ProcessErased, ProcessHeld, StorageFailure
from domain.process_number import ProcessNumber
from domain.storage import process_prefixes

if TYPE_CHECKING:
    from adapters.database import Catalog
    from adapters.storage import ObjectStore
    from adapters.temporal.erasure_client import ErasureClient
    from adapters.temporal.run_client import RunClient

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ErasureService:
    """Erases processes, and places holds on them.

    Every method raises DependencyUnavailable if the database, the store or Temporal does not answer.
    """

    catalog: Catalog
    store: ObjectStore
    runs: RunClient
    client: ErasureClient

    async def erase(self, number: ProcessNumber, client: Client, reason: str | None) -> Erasure:
        """Write the tombstone of a process, and start its erasure. Idempotent.

        Raises:
            Problem: 404, nothing is known of the process and nothing of it is stored. 409, a legal hold is on it.
        """
        author = _author(client)
        try:
            erasure = await self.catalog.erasures.request(number.canonical, author, reason)
            if erasure is None and await self._is_anything_left(number):
                erasure = await self.catalog.erasures.request(number.canonical, author, reason, known=True)
        except ProcessHeld as error:
            raise Problem(ProblemCode.PROCESS_HELD, str(error)) from None
        if erasure is None:
            raise process_unknown(number)
        if erasure.state is ErasureState.RUNNING:
            _log.info("erasure requested", process=number.canonical, client=client.name, key=client.key_id)
            # If Temporal does not answer, the sweep starts it.
            await self.client.start(ErasureRequest(number.canonical))
        return erasure

    async def get(self, number: ProcessNumber) -> Erasure:
        """Return the latest receipt of a process.

        Raises:
            Problem: 404, the process was never erased.
        """
        erasure = await self.catalog.erasures.get_latest(number.canonical)
        if erasure is None:
            raise _never_erased(number)
        return erasure

    async def allow_again(self, number: ProcessNumber, client: Client) -> Erasure:
        """Remove the block of an erased process, so that it can be requested again. The receipt stays.

        Raises:
            Problem: 404, the process was never erased. 409, the erasure still runs.
        """
        try:
            erasure = await self.catalog.erasures.allow_again(number.canonical, _author(client))
        except ProcessErased:
            raise _still_running(number) from None
        if erasure is None:
            raise _never_erased(number)
        _log.info("erased process allowed again", process=number.canonical, client=client.name, key=client.key_id)
        return erasure

    async def place_hold(self, number: ProcessNumber, client: Client, reason: str | None) -> LegalHold:
        """Place a hold on a process. Idempotent.

        Raises:
            Problem: 404, the process is unknown. 409, it is being erased. 410, it was erased.
        """
        try:
            is_known = await self.catalog.holds.place(number.canonical, _author(client), reason)
        except ProcessErased as error:
            if error.running:
                raise _still_running(number) from None
            raise
        hold = await self.catalog.holds.get(number.canonical)
        if not is_known or hold is None:
            raise process_unknown(number)
        _log.info("legal hold placed", process=number.canonical, client=client.name, key=client.key_id)
        return hold

    async def get_hold(self, number: ProcessNumber) -> LegalHold | None:
        """Return the hold on a process. None if there is none.

        Raises:
            Problem: 404, the process is unknown.
            ProcessErased: It was erased, or is being erased.
        """
        hold = await self.catalog.holds.get(number.canonical)
        if hold is None and await self.catalog.processes.get(number.canonical) is None:
            raise process_unknown(number)
        return hold

    async def release_hold(self, number: ProcessNumber, client: Client) -> None:
        """Release the hold on a process. No effect if there is none.

        Raises:
            Problem: 404, the process is unknown.
            ProcessErased: It was erased, or is being erased.
        """
        await self.get_hold(number)
        if await self.catalog.holds.release(number.canonical):
            _log.info("legal hold released", process=number.canonical, client=client.name, key=client.key_id)

    async def _is_anything_left(self, number: ProcessNumber) -> bool:
        """Return whether the store or Temporal has something of a process that the catalog does not know."""
        if await self.runs.find_open(number) is not None:
            return True
        try:
            return any([await self.store.has_any(prefix) for prefix in process_prefixes(number.canonical)])
        except StorageFailure as failure:
            raise DependencyUnavailable("storage", str(failure)) from None


def _author(client: Client) -> Author:
    return Author(client.name, client.key_id)


def _never_erased(number: ProcessNumber) -> Problem:
    return Problem(ProblemCode.ERASURE_UNKNOWN, f"{number} was never erased.")


def _still_running(number: ProcessNumber) -> Problem:
    return Problem(
        ProblemCode.ERASURE_RUNNING,
        f"{number} is being erased. Read /processes/{number}/erasure until it is completed.",
    )
