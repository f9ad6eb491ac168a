"""The object store as a whole: keeping it tidy, and whether it takes writes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.failures import own_failures
from domain.messages import RecoveryAdvice
from domain.storage import DOCUMENTS_PREFIX

if TYPE_CHECKING:
    from activities.store_gate import StoreGate
    from adapters.storage import ObjectStore

# No download lives longer than a day, so nobody works on an upload of this age.
LEFTOVER_AGE = timedelta(hours=26)

_log = structlog.get_logger()


class StorageActivities:
    """The activities on the store as a whole."""

    def __init__(self, store: ObjectStore, gate: StoreGate) -> None:
        self._store = store
        self._gate = gate

    @activity.defn
    async def consult_store(self) -> RecoveryAdvice:
        """Tell a waiting run whether the store takes writes again. Of all that ask, one probes it at a time."""
        with own_failures():
            return await self._gate.advise()

    @activity.defn
    async def sweep_uploads(self) -> int:
        """Abort the uploads that killed workers have left and no later attempt has taken away; says how many.

        Their parts are in no listing of objects, and cost as much as objects do.
        """
        with own_failures():
            aborted = await self._store.abort_uploads(DOCUMENTS_PREFIX, older_than=LEFTOVER_AGE)
        if aborted:
            _log.warning("leftover uploads aborted", uploads=aborted)
        return aborted
