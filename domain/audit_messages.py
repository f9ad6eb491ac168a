"""The messages of an audit through Temporal: ids, keys and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.audit import FindingKind


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit.

    Attributes:
        key: The object's key, or that of an upload.
        process_number: The process in the key. None if it names none.
        document_id: The document in the key. None if it names none.
        detail: What is wrong, for the operator. Empty if the kind says it all.
        upload_id: The store's id of a leftover upload.
    """

    kind: FindingKind
    key: str
    process_number: str | None = None
    document_id: str | None = None
    detail: str = ""
    upload_id: str = ""


class RepairState(StrEnum):
    """What came of a finding.

    REPAIRED: It is mended.
    RESOLVED: It is no longer so: a run or an earlier repair has mended it.
    KEPT: It is as it was. The note says why.
    """

    REPAIRED = "repaired"
    RESOLVED = "resolved"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair has done about a finding."""

    finding: Finding
    state: RepairState
    note: str = ""


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """Findings to repair."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What was done about them, in their order."""

    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """How far an audit has come: the last row and the last object that were compared."""

    after_number: str = ""
    after_id: str = ""
    after_key: str = ""


@dataclass(frozen=True, slots=True)
class AuditPart:
    """A part of an audit to do.

    Attributes:
        seed: The audit's own id: chooses the sample.
        share: The share of the objects whose bytes are read.
        bytes_left: How much may still be read. None means all.
        findings_left: How many findings are wanted in detail. More are only counted, and not examined.
        process_number: The one process to audit. None means all.
    """

    cursor: AuditCursor
    seed: str
    share: float
    bytes_left: int | None
    findings_left: int
    process_number: str | None = None


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """What was compared.

    Attributes:
        contents: Contents that the catalog says are stored.
        objects: Objects in the bucket.
        objects_read: Objects whose bytes were read.
        found: The findings by kind.
    """

    contents: int = 0
    objects: int = 0
    objects_read: int = 0
    bytes_read: int = 0
    found: Mapping[FindingKind, int] = field(default_factory=dict)

    def plus(self, other: AuditCounts) -> AuditCounts:
        """Return the sum of both."""
        kinds = self.found.keys() | other.found.keys()
        return AuditCounts(
            self.contents + other.contents,
            self.objects + other.objects,
            self.objects_read + other.objects_read,
            self.bytes_read + other.bytes_read,
            {kind: self.found.get(kind, 0) + other.found.get(kind, 0) for kind in kinds},
        )


@dataclass(frozen=True, slots=True)
class AuditPartResult:
    """What a part has found. ``following`` is where the next part begins, None after the last one."""

    following: AuditCursor | None
    counts: AuditCounts
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What a scheduled audit does.

    Attributes:
        due: Whether an audit is due at all.
        share: The share of the objects whose bytes are read.
        budget_bytes: How much is read at most.
        repair: Whether findings are repaired.
    """

    due: bool
    started_at: datetime
    share: float = 0.0
    budget_bytes: int = 0
    repair: bool = False


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """How an audit of the whole bucket has ended.

    Attributes:
        id: The audit's own id. Recorded twice, it is one audit.
        remaining: What it found and did not repair, by kind.
    """

    id: str
    started_at: datetime
    counts: AuditCounts
    remaining: Mapping[FindingKind, int]


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """A scheduled audit between two parts.

    Attributes:
        cursor: Where the next part begins. None after the last one.
        findings: Those to repair, up to a limit.
    """

    id: str = ""
    plan: AuditPlan | None = None
    cursor: AuditCursor | None = field(default_factory=AuditCursor)
    counts: AuditCounts = field(default_factory=AuditCounts)
    findings: tuple[Finding, ...] = ()
