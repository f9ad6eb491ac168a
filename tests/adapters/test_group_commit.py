"""What many ask at the same time is asked in one go, and everyone gets their own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from adapters.database.group_commit import GroupCommit


class Asked:
    """Answers with the double, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, questions: Sequence[int]) -> list[int]:
        """Answer a group once the gate is open."""
        self.groups.append(list(questions))
        self.begun.set()
        await self.gate.wait()
        if -1 in questions:
            raise ValueError("the whole round failed")
        return [2 * question for question in questions]


async def test_questions_of_one_moment_are_one_group() -> None:
    asked = Asked()
    ask = GroupCommit(asked)
    assert await asyncio.gather(*(ask(number) for number in range(50))) == [2 * number for number in range(50)]
    assert asked.groups == [list(range(50))]


async def test_no_group_grows_without_bound() -> None:
    asked = Asked()
    ask = GroupCommit(asked)
    await asyncio.gather(*(ask(number) for number in range(450)))
    assert [len(group) for group in asked.groups] == [200, 200, 50]


async def test_the_error_of_a_round_reaches_everyone_in_it_and_nobody_else() -> None:
    asked = Asked()
    ask = GroupCommit(asked)
    failed = await asyncio.gather(ask(1), ask(-1), return_exceptions=True)
    assert [type(error) for error in failed] == [ValueError, ValueError]
    assert await ask(3) == 6


async def test_who_has_left_is_not_asked_for() -> None:
    asked = Asked()
    ask = GroupCommit(asked)
    leaving = asyncio.ensure_future(ask(1))
    staying = asyncio.ensure_future(ask(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 4
    assert asked.groups == [[2]]


async def test_who_leaves_during_a_round_does_not_disturb_it() -> None:
    asked = Asked()
    asked.gate.clear()
    ask = GroupCommit(asked)
    leaving, staying = asyncio.ensure_future(ask(1)), asyncio.ensure_future(ask(2))
    await asked.begun.wait()
    leaving.cancel()
    asked.gate.set()
    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving
