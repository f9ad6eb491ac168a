"""What has happened to a process since it was configured: filings, movements, new ids, raised secrecy levels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filing:
    """A document that is filed later.

    Attributes:
        degree: 1 or 2.
        days: Days that had passed by then.
        secrecy: Its level, 0 to 5.
    """

    degree: int
    days: int
    secrecy: int = 0


@dataclass(frozen=True, slots=True)
class ExtraMovement:
    """A movement without a document.

    Attributes:
        degree: 1 or 2.
        at: When it happened, in the court's format.
        text: Its description.
        secrecy: The level that it states, 0 to 5. 0 states none.
    """

    degree: int
    at: str
    text: str
    secrecy: int = 0


@dataclass(frozen=True, slots=True)
class Reindexing:
    """The court indexes the documents that it has under new ids.

    Attributes:
        counts: How many documents of the first and of the second degree it had.
        keeps_origins: Whether the new entries state ``idOrigem``.
    """

    counts: tuple[int, int]
    keeps_origins: bool


@dataclass(frozen=True, slots=True)
class Shortage:
    """A listing that lacks the last documents and movements of each instance.

    Attributes:
        documents: How many documents of each instance it has.
        movements: How many movements of each instance it has. None means all.
    """

    documents: int
    movements: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Everything that has happened. Immutable, so that a process with it can be cached.

    Attributes:
        days: Days that have passed. They move the dates of what is filed from then on.
        process_secrecy: The level of the process. None means the configured one.
        instance_secrecy: Levels of instances, by degree. The last one counts.
        document_secrecy: Levels of documents, by their place in filing order. The last one counts.
        shortage: What the present listing lacks.
    """

    days: int = 0
    filings: tuple[Filing, ...] = ()
    movements: tuple[ExtraMovement, ...] = ()
    reindexings: tuple[Reindexing, ...] = ()
    process_secrecy: int | None = None
    instance_secrecy: tuple[tuple[int, int], ...] = ()
    document_secrecy: tuple[tuple[int, int], ...] = ()
    shortage: Shortage | None = None

    def filings_of(self, degree: int) -> tuple[Filing, ...]:
        """Return the filings of a degree, in their order."""
        return tuple(filing for filing in self.filings if filing.degree == degree)

    def reindexings_of(self, degree: int, position: int) -> tuple[Reindexing, ...]:
        """Return the times that a document of a degree was indexed again."""
        return tuple(each for each in self.reindexings if position < each.counts[degree - 1])
