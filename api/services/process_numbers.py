"""The process numbers in the body of a request for many processes."""

from __future__ import annotations

from collections.abc import Sequence

from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.batches import BatchItem, read_items


def read_process_numbers(given: Sequence[str]) -> tuple[tuple[BatchItem, ...], int]:
    """Return the items of ``domain.batches.read_items``, and how many numbers were repeated.

    Raises:
        Problem: None is a process number. It says of each what is wrong.
    """
    items, duplicates = read_items(given)
    if all(item.process_number is None for item in items):
        raise Problem(
            ProblemCode.NO_VALID_NUMBERS,
            "None of these is a CNJ process number.",
            errors=[
                {"parameter": f"process_numbers.{item.position - 1}", "detail": item.problem_detail}
                for item in items
            ],
        )
    return items, duplicates
