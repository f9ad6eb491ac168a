"""The activities on the whole object store: its state, and the cleanup of leftover uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from temporalio import activity

from activities.errors import translating_infrastructure_errors
from domain.audit import LEFTOVER_AGE
from domain.circuit_messages import RecoveryState
from domain.storage import BUNDLES_PREFIX, DOCUMENTS_PREFIX

if TYPE_CHECKING:
    from activities.store_circuit import StoreCircuitBreaker
    from adapters.storage import ObjectStore

_log = structlog.get_logger()


class StorageActivities:
    """The activities on the whole store."""

    def __init__(self, store: ObjectStore, circuit: StoreCircuitBreaker) -> None:
        self._store = store
        self._circuit = circuit

    @activity.defn
    async def read_store_state(self) -> RecoveryState:
        """Return whether the store takes writes again. When a probe is due, one of all callers sends it."""
        with translating_infrastructure_errors():
            return await self._circuit.probe_if_due()

    @activity.defn
    async def sweep_uploads(self) -> int:
        """Abort the multipart uploads that killed workers have left behind. Returns how many.

        Their parts appear in no list of objects, but cost as much as objects do.
        """
        with translating_infrastructure_errors():
            aborted = sum(
                [
                    await self._store.abort_uploads(prefix, older_than=LEFTOVER_AGE)
                    for prefix in (DOCUMENTS_PREFIX, BUNDLES_PREFIX)
                ]
            )
        if aborted:
            _log.warning("leftover uploads aborted", uploads=aborted)
        return aborted
