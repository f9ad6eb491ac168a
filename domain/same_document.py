"""When two descriptions can be of the same document, fed to the court by two of its systems."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Two systems may store the moment of a filing in different precisions and zones.
_SAME_FILING = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Description:
    """What tells documents apart that have the same id in the court's own system. None is what is not stated."""

    name: str | None
    size_bytes: int | None
    filed_at: datetime | None

    def contradicts(self, other: Description) -> bool:
        """Whether the two cannot be of the same document. What one of them leaves out contradicts nothing."""
        if self.name and other.name and self.name.casefold() != other.name.casefold():
            return True
        if self.size_bytes and other.size_bytes and self.size_bytes != other.size_bytes:
            return True
        return bool(self.filed_at and other.filed_at and abs(self.filed_at - other.filed_at) > _SAME_FILING)
