"""Whether two descriptions are of the same document, listed by two of the court's systems or under two ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# Two systems may store the time of a filing with different precision and in different time zones.
_SAME_FILING = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Description:
    """What distinguishes documents with the same id in the court's own system. None means not stated."""

    name: str | None
    size_bytes: int | None
    filed_at: datetime | None

    def contradicts(self, other: Description) -> bool:
        """Return whether the two cannot be of the same document. A value that is not stated contradicts nothing."""
        if self.name and other.name and self.name.casefold() != other.name.casefold():
            return True
        if self.size_bytes and other.size_bytes and self.size_bytes != other.size_bytes:
            return True
        return bool(self.filed_at and other.filed_at and abs(self.filed_at - other.filed_at) > _SAME_FILING)

    def agrees(self, other: Description) -> bool:
        """Return whether both state the same name and the same moment of filing, and no different sizes.

        One system writes these the same way at every call. So two of its entries that agree are one document.
        """
        is_same_name = bool(self.name and other.name and self.name.casefold() == other.name.casefold())
        return (
            is_same_name
            and self.filed_at is not None
            and self.filed_at == other.filed_at
            and not self.contradicts(other)
        )
