"""Everything of a process as one ZIP: the stored documents, and a note of what is not among them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.deps import ArchiveServiceDep, Reader, RecipientDep
from api.middleware.methods import is_head
from api.pages.rendering import PageRoute, Translator, translator_of
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from api.schemas.parameters import Number
from api.services.archives import ArchiveContents, ArchivedDocument, ArchiveFile
from domain.brasilia import in_brasilia
from domain.documents import StoredObject
from domain.errors import StorageFailure
from domain.filenames import number_width, numbered_filename
from domain.process_number import ProcessNumber
from domain.zip_format import ZipEntry, archive_size

_MEDIA_TYPE = "application/zip"

router = APIRouter(prefix="/ui/processes/{number}", route_class=PageRoute, include_in_schema=False)


class _ClosingResponse(StreamingResponse):
    """A streaming response that frees what it holds when it ends, also if the client has gone."""

    def __init__(self, content: AsyncGenerator[bytes], held: AsyncExitStack, headers: dict[str, str]) -> None:
        super().__init__(content, headers=headers, media_type=_MEDIA_TYPE)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


@router.get("/documents.zip")
async def get_archive(
    request: Request, number: Number, client: Reader, recipient: RecipientDep, archives: ArchiveServiceDep
) -> Response:
    """All stored documents that the client may open, as a ZIP that is written while it is sent.

    Its size is known in advance. So a browser shows the progress, and reports a download that breaks off as failed.
    """
    contents = await archives.read_contents(number, client.scopes)
    if not contents.stored:
        raise Problem(ProblemCode.DOCUMENT_NOT_AVAILABLE, "No document is stored that this key may open.")
    files = _list_files(contents, number, translator_of(request))
    headers = {
        "Content-Disposition": f'attachment; filename="{number}.zip"',
        "Content-Length": str(archive_size([file.entry for file in files])),
    }
    if is_head(request):
        return Response(headers=headers, media_type=_MEDIA_TYPE)
    async with AsyncExitStack() as held:
        held.enter_context(archives.reserve(client))
        stream = archives.stream(number, files, recipient)
        await held.enter_async_context(aclosing(stream))
        try:
            # Verifies the first document, so that a store that does not answer leads to a page that says so.
            first = await anext(stream)
        except StorageFailure:
            raise Problem(
                ProblemCode.STORAGE_UNAVAILABLE, "The store does not return the first document."
            ) from None
        content = _continue(first, stream)
        await held.enter_async_context(aclosing(content))
        return _ClosingResponse(content, held.pop_all(), headers)


async def _continue(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _list_files(contents: ArchiveContents, number: ProcessNumber, t: Translator) -> Sequence[ArchiveFile]:
    now = datetime.now(UTC)
    digits = number_width(contents.total)
    files = [
        _document_file(item, item.document.stored, digits, now) for item in contents.stored if item.document.stored
    ]
    note = _write_note(contents, number, t, now, digits).encode()
    kind = t("archive_note")
    name = f"{0:0{digits}d} - {kind}.txt"
    return [*files, ArchiveFile(ZipEntry(name, len(note), in_brasilia(now)), note)]


def _document_file(item: ArchivedDocument, stored: StoredObject, digits: int, now: datetime) -> ArchiveFile:
    document = item.document
    name = numbered_filename(item.number, document.name, document.type_name, stored.media_type, digits=digits)
    entry = ZipEntry(name, stored.size_bytes, in_brasilia(document.filed_at or now))
    return ArchiveFile(entry, stored, document.id)


def _write_note(contents: ArchiveContents, number: ProcessNumber, t: Translator, now: datetime, digits: int) -> str:
    """Return the text that says what the archive does not contain, and why."""
    lines = [
        f"{t('process', number=number)} ({number.court})",
        t("archive_made", moment=t.moment(now)),
        t("archive_inside", count=t.number(len(contents.stored)), total=t.number(contents.total)),
        "",
    ]
    if not contents.missing and not contents.withheld:
        lines.append(t("archive_complete"))
    else:
        lines.append(t("archive_missing"))
    for item in contents.missing:
        failure = item.document.failure
        reason = t(f"failure.{failure.code}") if failure else t("archive_pending")
        title = item.document.name or item.document.type_name or t("unnamed")
        lines.append(f"{item.number:0{digits}d} - {title}: {reason}")
    if contents.withheld == 1:
        lines.append(t("archive_withheld_one"))
    elif contents.withheld:
        lines.append(t("archive_withheld_many", count=t.number(contents.withheld)))
    # Line ends that every editor shows.
    return "\r\n".join([*lines, ""])
