"""The access trail, as its readers get it: pages, and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from api.pagination import ACCESS_CURSOR, page_url
from api.schemas.accesses import AccessBody, AccessesBody, AccessesQuery
from domain.accesses import AccessFilter, RecordedAccess
from domain.errors import InvalidInput
from domain.process_number import ProcessNumber
from domain.serializers import format_timestamp

if TYPE_CHECKING:
    from adapters.database import Catalog

# A row may have thousands of documents, and each is a line: few are in memory at a time.
_ROWS_PER_READ = 100
_LINES_PER_CHUNK = 500
_COLUMNS = (
    *("at", "client", "key_id", "how", "process_number", "document_id", "request_id", "event_id", "purpose"),
)
# Where a spreadsheet may begin a formula: at the beginning of a cell. One that separates by semicolons, as in
# Brazil, begins a cell behind each of them, even inside our quotes.
_FORMULA_START = re.compile(r'(?:^|(?<=[;\t]))(?=[\s"]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])')


@dataclass(frozen=True, slots=True)
class AccessService:
    """Reads the access trail."""

    catalog: Catalog

    async def list_accesses(self, query: AccessesQuery) -> AccessesBody:
        """Return a page of accesses, newest first.

        Raises:
            InvalidInput: The cursor, the process number or the combination of filters is not valid.
            DependencyUnavailable: The database does not answer.
        """
        rows = await self.catalog.accesses.page(
            _to_filter(query), before=ACCESS_CURSOR.decode(query.cursor), limit=query.limit + 1
        )
        page = rows[: query.limit]
        cursor = ACCESS_CURSOR.encode((page[-1].at, page[-1].number)) if len(rows) > query.limit else None
        filters = query.model_dump(mode="json", by_alias=True, exclude={"cursor"})
        return AccessesBody(
            accesses=[AccessBody.of(access) for access in page],
            next_cursor=cursor,
            accesses_next=page_url("/accesses", {**filters, "cursor": cursor}) if cursor else None,
        )

    async def stream_csv(self, query: AccessesQuery) -> AsyncGenerator[bytes]:
        """Yield all accesses as CSV (RFC 4180, UTF-8), newest first, with a line for each document.

        Raises:
            InvalidInput: As for a page.
            DependencyUnavailable: The database does not answer.
        """
        wanted, before = _to_filter(query), ACCESS_CURSOR.decode(query.cursor)
        heading: list[tuple[str, ...]] = [_COLUMNS]
        while True:
            rows = await self.catalog.accesses.page(wanted, before=before, limit=_ROWS_PER_READ)
            lines = chain(heading, chain.from_iterable(_to_lines(row, query.document_id) for row in rows))
            while chunk := list(islice(lines, _LINES_PER_CHUNK)):
                yield _to_csv(chunk)
            if len(rows) < _ROWS_PER_READ:
                return
            heading, before = [], (rows[-1].at, rows[-1].number)


def _to_filter(query: AccessesQuery) -> AccessFilter:
    if query.document_id is not None and query.process is None:
        raise InvalidInput("document_id requires process: ids are those of one process.", field="document_id")
    return AccessFilter(
        process_number=None if query.process is None else ProcessNumber.parse(query.process).canonical,
        client=query.client,
        document_id=query.document_id,
        how=query.how,
        since=query.since,
        until=query.until,
    )


def _to_lines(access: RecordedAccess, wanted: str | None) -> Iterable[tuple[str, ...]]:
    for document_id in access.document_ids:
        # A former content has the id of its document, a slash and its version.
        if wanted is not None and document_id.partition("/")[0] != wanted:
            continue
        yield (
            format_timestamp(access.at) or "",
            access.client,
            access.key_id or "",
            access.how,
            access.process_number,
            document_id,
            access.request_id or "",
            access.event_id or "",
            access.purpose or "",
        )


def _to_csv(lines: Iterable[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_without_formula(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _without_formula(cell: str) -> str:
    return _FORMULA_START.sub("'", cell)
