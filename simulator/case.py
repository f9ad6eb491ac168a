"""A process as the court knows it: every document of it follows from the process number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5

from domain.process_number import ProcessNumber
from simulator.document_types import BARE_TEXT, DocumentType, document_type
from simulator.files import HTML, PDF, PLAIN, RTF, SMALLEST, File, make

_KNOWN_COUNTS = {"1011745-77.2025.8.11.0041": 31}
_FEWEST_WITH_TWINS = 12
HIGHEST_SECRECY = 5
_SIZES = {PDF: (10_900, 290_000), HTML: (3_700, 40_000), RTF: (9_000, 51_000), PLAIN: (1_500, 8_000)}


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be chosen about a process; the rest follows from its number.

    Attributes:
        documents: how many documents the first degree holds.
        size_bytes: the size of every document, or None for the sizes that the number gives.
        second_instance_documents: how many more the appeal holds; with any, the process has two instances.
        second_source: the court's other system feeds the same documents again, under other ids.
        exists: whether the court knows the process.
        text_only_documents: so many documents have no binary, only their text: every other one, from the first.
        bare_documents: so many pieces are listed without a file, and neither their bytes nor their text can be had:
            the last ones filed.
        secret_documents: so many documents are secret, in all degrees of secrecy: every other one, from the second.
        secrecy: of the process, 0 (public) to ``HIGHEST_SECRECY``.
        content_type: what the wire calls every binary, or None for what each is.
        content_disposition: sent with every binary, or None for no such header.
        twins: two of the documents have the same bytes.
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


@dataclass(frozen=True, slots=True)
class Document:
    """One filed piece.

    Attributes:
        index: its place in filing order over the whole process, the first degree first.
        coded: its listing tells the code of its type.
        described: its listing tells about its file.
        has_binary: the file can be had, not only its text.
        has_content: anything of it can be had.
        secrecy: 0 (public) to ``HIGHEST_SECRECY``.
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
    origin: str
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
        """The document itself, the same at every call."""
        return make(self.media_type, title=self.title, seed=self.seed, pages=self.pages, size=self.size)

    def text(self) -> bytes:
        """What the court's extraction says of it: with Windows line ends, and now and then control characters."""
        blemish = "\x00\x1a" if self.sequence % 9 == 7 else ""
        return f"{self.type.name}\r\n{self.title}\u00a0{blemish}\r\nConteúdo sintético {self.seed}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of the process through a degree, as one source (0, or 1 for the copies) tells it."""

    degree: int
    source: int
    documents: tuple[Document, ...]


class Case:
    """A process of a given shape.

    Attributes:
        documents: all of them in filing order, each once, whatever number of sources feed it.
        copies: the same documents as the second source has them, if there is one.
        instances: the current one first, which is the appeal when there is one.
        opened_at: when the process was filed, as the court writes it.
    """

    def __init__(self, number: ProcessNumber, shape: Shape) -> None:
        self.number = number
        self.shape = shape
        self.opened_at = _wire_time(_opening(number))
        self.documents = (*_documents(number, shape, degree=1), *_documents(number, shape, degree=2))
        self.copies = tuple(map(_copy, self.documents)) if shape.second_source else ()
        self.instances = tuple(
            Instance(degree, source, tuple(one for one in documents if one.degree == degree))
            for source, documents in enumerate((self.documents, self.copies)[: 1 + shape.second_source])
            for degree in ((2, 1) if shape.second_instance_documents else (1,))
        )

    @cached_property
    def by_id(self) -> dict[str, Document]:
        """Every document by the id under which it can be asked for, copies included."""
        return {document.id: document for document in self.documents + self.copies}


@lru_cache(maxsize=1024)
def case(number: ProcessNumber, shape: Shape) -> Case:
    """The process of that shape. Recent ones are kept: making one takes a millisecond per fifty documents."""
    return Case(number, shape)


@lru_cache(maxsize=8192)
def natural_shape(number: ProcessNumber) -> Shape:
    """The shape of a process about which nothing was ordered."""
    count = _KNOWN_COUNTS.get(number.canonical) or 1 + _digest(number.canonical, "documents")[0] % 60
    return Shape(documents=count, twins=count >= _FEWEST_WITH_TWINS)


@lru_cache(maxsize=8192)
def last_movement(number: ProcessNumber, shape: Shape) -> int:
    """When something last happened in the current instance: milliseconds since 1970, the court's time as UTC."""
    degree = 2 if shape.second_instance_documents else 1
    newest = next(_documents(number, shape, degree=degree, newest_only=True), None)
    moment = _opening(number) if newest is None else datetime.fromisoformat(newest.filed_at)
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _documents(
    number: ProcessNumber, shape: Shape, *, degree: int, newest_only: bool = False
) -> Iterator[Document]:
    # Nothing but the place may decide here: a process that grows keeps what it has.
    count, before = (shape.documents, 0) if degree == 1 else (shape.second_instance_documents, shape.documents)
    total = shape.documents + shape.second_instance_documents
    text_only = _every_other(total, shape.text_only_documents, first=0)
    secret = _every_other(total, shape.secret_documents, first=1)
    twin = natural_shape(number).documents // 2 if shape.twins and degree == 1 else None
    opening = _opening(number) + timedelta(days=400 * (degree - 1))
    stem = int(number.sequence) * 1000 + degree * 7
    for place in range(count)[-1:] if newest_only else range(count):
        elder = place - 1 if place - 1 == twin else place
        digest = _digest(number.canonical, degree, elder)
        # Courts differ in how finely they tell the time: by seconds, or by one to three digits of one.
        fineness = 10 ** (digest[11] % 4)
        into = int.from_bytes(digest[5:8]) % 21_000_000 // fineness * fineness
        filed_at = opening + timedelta(hours=6 * elder, milliseconds=into)
        if elder != place:
            filed_at += timedelta(milliseconds=104)
        piece = document_type(elder, degree, digest[0])
        lowest, spread = _SIZES[piece.media_type]
        size = lowest + int(spread * (int.from_bytes(digest[3:5]) / 65536) ** 3)
        if shape.size_bytes is not None:
            size = shape.size_bytes
            piece = piece if size >= SMALLEST else BARE_TEXT
        yield Document(
            id=str(uuid5(NAMESPACE_URL, f"autos-simulator:{number.canonical}:{degree}:{place}")),
            index=before + place,
            degree=degree,
            sequence=place + 1 + 2 * (place // 7),
            name=piece.file_name,
            type=piece,
            coded=digest[1] % 5 != 0,
            described=before + place not in text_only
            and before + place < total - shape.bare_documents
            and (place == 0 or digest[2] % 15 != 0),
            filed_at=_wire_time(filed_at),
            origin=str(100_000_000 + (stem + place * 13) % 900_000_000),
            codex=28_000_000_000 + (stem + place * 13) % 1_000_000_000,
            media_type=piece.media_type,
            pages=0 if piece.media_type != PDF else 1 if size < 8_192 else 1 + digest[10] % 8,
            size=size,
            seed=digest.hex(),
            title=f"Processo {number.canonical}, grau {degree}, documento {elder + 1}",
            has_binary=before + place not in text_only,
            has_content=before + place < total - shape.bare_documents,
            secrecy=1 + (before + place) % HIGHEST_SECRECY if before + place in secret else 0,
        )


def _every_other(total: int, count: int, *, first: int) -> frozenset[int]:
    """So many of the places: every second one from the first, then from the other."""
    if not count:
        return frozenset()
    return frozenset((*range(first, total, 2), *range(1 - first, total, 2))[:count])


def _copy(document: Document) -> Document:
    # The second source repeats the court's own id and says nothing about the file.
    return replace(
        document,
        id=str(uuid5(NAMESPACE_URL, f"autos-simulator:second-source:{document.id}")),
        codex=document.codex + 1_000_000_000,
        described=False,
    )


def _opening(number: ProcessNumber) -> datetime:
    year = min(max(int(number.year), 1970), 2100)
    days, minutes = _digest(number.canonical, "opening")[:2]
    return datetime(year, 1, 2) + timedelta(days=days, hours=9, minutes=minutes)  # noqa: DTZ001 - the court's times have no zone


def _wire_time(moment: datetime) -> str:
    """As the court writes times: local, without a zone, with a fraction of none to three digits."""
    fraction = f".{moment.microsecond // 1000:03}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}"


def _digest(*words: object) -> bytes:
    return blake2b("|".join(map(str, words)).encode(), digest_size=20).digest()
