"""Group commit: one transaction for what many callers ask at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_MOST = 200
# Short beside any request to a court; long enough that a busy worker's questions come in groups, and so do the
# completions that follow, which Temporal then takes in one step.
_COMPANY_SECONDS = 0.02


class GroupCommit(Generic[Question, Answer]):
    """Collects what is asked while the database is busy with what was asked before, and asks it in one go.

    A question waits a moment for company. Every caller gets its own answer, or the error of the round that its
    question was in.

    Args:
        ask: answers many questions in one transaction, in their order.
    """

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, question: Question) -> Answer:
        """Ask, together with whoever else asks now."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_while_there_are_questions())
        return await answer

    async def _ask_while_there_are_questions(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(_COMPANY_SECONDS)
                group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._answer(group)
        finally:
            self._asking = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting = []

    async def _answer(self, group: Sequence[tuple[Question, asyncio.Future[Answer]]]) -> None:
        # Who has been cancelled meanwhile wants nothing any more.
        group = [(question, answer) for question, answer in group if not answer.done()]
        if not group:
            return
        try:
            found = await self._ask([question for question, _ in group])
        except asyncio.CancelledError:
            for _, answer in group:
                answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - handed to those who asked.
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), one in zip(group, found, strict=True):
                if not answer.done():
                    answer.set_result(one)
