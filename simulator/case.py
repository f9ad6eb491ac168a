"""A simulated process: every document of it is derived from the process number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5

from domain.process_number import ProcessNumber
from simulator.document_types import BARE_TEXT, DocumentType, document_type
from simulator.files import HTML, MIN_FORMATTED_BYTES, PDF, PLAIN, RTF, File, make_file
from simulator.history import Filing, History

_KNOWN_COUNTS = {"1011745-77.2025.8.11.0041": 31}
_MIN_DOCUMENTS_FOR_TWINS = 12
HIGHEST_SECRECY = 5
_SIZES = {PDF: (10_900, 290_000), HTML: (3_700, 40_000), RTF: (9_000, 51_000), PLAIN: (1_500, 8_000)}


@dataclass(frozen=True, slots=True)
class Shape:
    """The configurable part of a process. Everything else is derived from its number.

    Attributes:
        documents: number of documents in the first degree.
        size_bytes: size of every document. ``None`` derives the sizes from the number.
        second_instance_documents: number of documents in the appeal. Above 0, the process has two instances.
        second_source: whether the court's other system lists the same documents again, with other ids.
        exists: whether the court has the process.
        text_only_documents: number of documents without a binary, only a text: every other one, from the first.
        bare_documents: number of documents that are listed without a file and have neither binary nor text: the
            last ones filed.
        secret_documents: number of secret documents, of all secrecy levels: every other one, from the second.
        secrecy: secrecy level of the process, 0 (public) to ``HIGHEST_SECRECY``.
        content_type: ``Content-Type`` of every binary. ``None`` sends each document's own type.
        content_disposition: ``Content-Disposition`` of every binary. ``None`` sends no such header.
        twins: whether two of the documents have the same bytes.
        history: what has happened since.
    """

    documents: int
    size_bytes: int | None = None
    second_instance_documents: int = 0
    second_source: bool = False
    exists: bool = True
    text_only_documents: int = 0
    bare_documents: int = 0
    secret_documents: int = 0
    secrecy: int = 0
    content_type: str | None = None
    content_disposition: str | None = None
    twins: bool = False
    history: History = field(default_factory=History)

    def count(self, degree: int) -> int:
        """Return how many documents a degree has."""
        configured = self.documents if degree == 1 else self.second_instance_documents
        return configured + len(self.history.filings_of(degree))


@dataclass(frozen=True, slots=True)
class Document:
    """One filed document.

    Attributes:
        index: its position in filing order over the whole process, starting with the first degree.
        coded: whether its listing has the code of its type.
        described: whether its listing describes its file.
        has_binary: whether its file can be downloaded.
        has_content: whether its file or its text can be downloaded.
        secrecy: secrecy level, 0 (public) to ``HIGHEST_SECRECY``.
    """

    id: str
    index: int
    degree: int
    sequence: int
    name: str
    type: DocumentType
    coded: bool
    described: bool
    filed_at: str
    origin: str | None
    codex: int
    media_type: str
    pages: int
    size: int
    seed: str
    title: str
    has_binary: bool = True
    has_content: bool = True
    secrecy: int = 0

    def file(self) -> File:
        """Create the document's file, the same at every call."""
        return make_file(self.media_type, title=self.title, seed=self.seed, pages=self.pages, size=self.size)

    def text(self) -> bytes:
        """Return the text that the court extracts: with Windows line endings and sometimes control characters."""
        control = "\x00\x1a" if self.sequence % 9 == 7 else ""
        return f"{self.type.name}\r\n{self.title}\u00a0{control}\r\nConteúdo sintético {self.seed}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of the process, as listed by one source: 0, or 1 for the copies.

    Attributes:
        documents: those that the listing has.
        all_documents: those that the court has.
    """

    degree: int
    source: int
    documents: tuple[Document, ...]
    all_documents: tuple[Document, ...]


class Case:
    """A process with a given shape.

    Attributes:
        documents: all documents in filing order, each once even with two sources.
        copies: the same documents as listed by the second source. Empty without one.
        instances: the current one first, which is the appeal if there is one.
        opened_at: when the process was filed, in the court's format.
    """

    def __init__(self, number: ProcessNumber, shape: Shape) -> None:
        self.number = number
        self.shape = shape
        self.opened_at = wire_time(_opened_at(number))
        levels = dict(shape.history.document_secrecy)
        self.documents = tuple(
            replace(document, secrecy=levels.get(document.index, document.secrecy))
            for degree in (1, 2)
            for document in _documents(number, shape, degree=degree)
        )
        self.copies = tuple(map(_copy, self.documents)) if shape.second_source else ()
        self.instances = tuple(
            _create_instance(degree, source, documents, shape)
            for source, documents in enumerate((self.documents, self.copies)[: 1 + shape.second_source])
            for degree in ((2, 1) if shape.count(2) else (1,))
        )

    @property
    def secrecy(self) -> int:
        """The secrecy level of the process."""
        stated = self.shape.history.process_secrecy
        return self.shape.secrecy if stated is None else stated

    def instance_secrecy(self, instance: Instance) -> int:
        """Return the secrecy level of an instance."""
        return dict(self.shape.history.instance_secrecy).get(instance.degree, self.shape.secrecy)

    @cached_property
    def by_id(self) -> dict[str, Document]:
        """Every document by its id in the listings, copies included."""
        return {document.id: document for document in self.documents + self.copies}


@lru_cache(maxsize=1024)
def build_case(number: ProcessNumber, shape: Shape) -> Case:
    """Return the process with this shape. Cached: building one takes a millisecond per fifty documents."""
    return Case(number, shape)


@lru_cache(maxsize=8192)
def natural_shape(number: ProcessNumber) -> Shape:
    """Return the shape of a process that was never configured."""
    count = _KNOWN_COUNTS.get(number.canonical) or 1 + _hash(number.canonical, "documents")[0] % 60
    return Shape(documents=count, twins=count >= _MIN_DOCUMENTS_FOR_TWINS)


@lru_cache(maxsize=8192)
def last_movement(number: ProcessNumber, shape: Shape) -> int:
    """Return the time of the current instance's last movement: milliseconds since 1970, local time taken as UTC."""
    degree = 2 if shape.count(2) else 1
    newest = next(_documents(number, shape, degree=degree, newest_only=True), None)
    moment = _opened_at(number) if newest is None else datetime.fromisoformat(newest.filed_at)
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _documents(
    number: ProcessNumber, shape: Shape, *, degree: int, newest_only: bool = False
) -> Iterator[Document]:
    # Derived from the position alone: a process that grows keeps the documents that it has.
    configured, before = (shape.documents, 0) if degree == 1 else (shape.second_instance_documents, shape.documents)
    count, filings = shape.count(degree), shape.history.filings_of(degree)
    index_before = 0 if degree == 1 else shape.count(1)
    total = shape.documents + shape.second_instance_documents
    text_only = _select_alternating(total, shape.text_only_documents, first=0)
    secret = _select_alternating(total, shape.secret_documents, first=1)
    twin = natural_shape(number).documents // 2 if shape.twins and degree == 1 else None
    opening = _opened_at(number) + timedelta(days=400 * (degree - 1))
    stem = int(number.sequence) * 1000 + degree * 7
    for position in range(count)[-1:] if newest_only else range(count):
        # The document after a twin is filed again from the same content.
        source_position = position - 1 if position - 1 == twin else position
        digest = _hash(number.canonical, degree, source_position)
        # Courts differ in the precision of their times: seconds, or one to three decimals of them.
        precision = 10 ** (digest[11] % 4)
        offset = int.from_bytes(digest[5:8]) % 21_000_000 // precision * precision
        filed_at = opening + timedelta(hours=6 * source_position, milliseconds=offset)
        if source_position != position:
            filed_at += timedelta(milliseconds=104)
        type_ = document_type(source_position, degree, digest[0])
        lowest, spread = _SIZES[type_.media_type]
        size = lowest + int(spread * (int.from_bytes(digest[3:5]) / 65536) ** 3)
        if shape.size_bytes is not None:
            size = shape.size_bytes
            type_ = type_ if size >= MIN_FORMATTED_BYTES else BARE_TEXT
        document = Document(
            id=str(uuid5(NAMESPACE_URL, f"autos-simulator:{number.canonical}:{degree}:{position}")),
            index=index_before + position,
            degree=degree,
            sequence=position + 1 + 2 * (position // 7),
            name=type_.file_name,
            type=type_,
            coded=digest[1] % 5 != 0,
            described=before + position not in text_only
            and before + position < total - shape.bare_documents
            and (position == 0 or digest[2] % 15 != 0),
            filed_at=wire_time(filed_at),
            origin=str(100_000_000 + (stem + position * 13) % 900_000_000),
            codex=28_000_000_000 + (stem + position * 13) % 1_000_000_000,
            media_type=type_.media_type,
            pages=0 if type_.media_type != PDF else 1 if size < 8_192 else 1 + digest[10] % 8,
            size=size,
            seed=digest.hex(),
            title=f"Processo {number.canonical}, grau {degree}, documento {source_position + 1}",
            has_binary=before + position not in text_only,
            has_content=before + position < total - shape.bare_documents,
            secrecy=1 + (before + position) % HIGHEST_SECRECY if before + position in secret else 0,
        )
        if position >= configured:
            document = _file_later(document, filings[position - configured], filed_at)
        yield _index_again(document, shape.history, position)


def _file_later(document: Document, filing: Filing, filed_at: datetime) -> Document:
    """Return a document that was filed after the process was configured: complete, and on its own day."""
    return replace(
        document,
        filed_at=wire_time(filed_at + timedelta(days=filing.days)),
        secrecy=filing.secrecy,
        described=True,
        has_binary=True,
        has_content=True,
    )


def _index_again(document: Document, history: History, position: int) -> Document:
    """Return a document as the court lists it after it was indexed again."""
    times = history.reindexings_of(document.degree, position)
    if not times:
        return document
    return replace(
        document,
        id=str(uuid5(NAMESPACE_URL, f"autos-simulator:indexed {len(times)} times:{document.id}")),
        codex=document.codex + 2_000_000_000 * len(times),
        origin=document.origin if times[-1].keeps_origins else None,
    )


def _create_instance(degree: int, source: int, documents: tuple[Document, ...], shape: Shape) -> Instance:
    own = tuple(document for document in documents if document.degree == degree)
    shortage = shape.history.shortage
    return Instance(degree, source, own if shortage is None else own[: shortage.documents], own)


def _select_alternating(total: int, count: int, *, first: int) -> frozenset[int]:
    """Select ``count`` of the positions: every second one from ``first``, then the ones between."""
    if not count:
        return frozenset()
    return frozenset((*range(first, total, 2), *range(1 - first, total, 2))[:count])


def _copy(document: Document) -> Document:
    # The second source repeats the court's own id and does not describe the file.
    return replace(
        document,
        id=str(uuid5(NAMESPACE_URL, f"autos-simulator:second-source:{document.id}")),
        codex=document.codex + 1_000_000_000,
        described=False,
    )


def _opened_at(number: ProcessNumber) -> datetime:
    year = min(max(int(number.year), 1970), 2100)
    days, minutes = _hash(number.canonical, "opening")[:2]
    return datetime(year, 1, 2) + timedelta(days=days, hours=9, minutes=minutes)  # noqa: DTZ001 - the court's times have no zone


def wire_time(moment: datetime) -> str:
    """Format a time as the court does: local, without a zone, with zero to three decimals."""
    fraction = f".{moment.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"


def _hash(*values: object) -> bytes:
    return blake2b("|".join(map(str, values)).encode(), digest_size=20).digest()
