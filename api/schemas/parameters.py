"""Parameters in paths, and the query of routes that have none."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from api.schemas.base import Body, DocumentId
from domain.process_number import ProcessNumber


class NoQuery(Body):
    """For routes without a query: unknown parameters are refused."""


async def _parse_number(
    number: Annotated[
        str,
        Path(
            description="The CNJ process number, with or without punctuation.",
            examples=["1011745-77.2025.8.11.0041"],
            json_schema_extra={"x-format": "cnj-process-number"},
        ),
    ],
) -> ProcessNumber:
    return ProcessNumber.parse(number)


Number = Annotated[ProcessNumber, Depends(_parse_number)]
DocumentIdInPath = Annotated[DocumentId, Path(description="The document's id, as in the list of documents.")]
BatchId = Annotated[
    str, Path(pattern="^[0-9a-f]{32}$", description="The batch's id, as in the answer to the request.")
]
