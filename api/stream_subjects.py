"""What clients can follow: the status of a process, and the build of a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.presenters import process_unknown
from api.status_snapshot import Snapshot
from domain.bundles import BundleState, bundle_body
from domain.clients import Client, Scope
from domain.completeness import ProcessStatus
from domain.process_number import ProcessNumber

if TYPE_CHECKING:
    from api.presenters import ProcessPresenter
    from api.services.bundles import BundleService


@dataclass(frozen=True, slots=True)
class FollowedProcess:
    """The status of a process, which all clients see alike."""

    number: ProcessNumber
    presenter: ProcessPresenter

    @property
    def key(self) -> str:
        """The number of the process."""
        return self.number.canonical

    async def read(self) -> Snapshot:
        """Return the status now.

        Raises:
            Problem: 404, the process is unknown.
        """
        state = await self.presenter.find_state(self.number)
        if state is None:
            raise process_unknown(self.number)
        status = await self.presenter.status_body(*state)
        return Snapshot.of(status, ended=status["status"] != ProcessStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class FollowedBundle:
    """The build of a bundle, without a link: whoever wants one asks for it, and is in the access trail."""

    number: ProcessNumber
    bundle_id: str
    client: Client
    bundles: BundleService

    @property
    def key(self) -> str:
        """The bundle, and whether its followers may see sealed documents: they see the same of it."""
        readers = "with sealed" if Scope.SEALED in self.client.scopes else "without sealed"
        return f"{self.number}/bundles/{self.bundle_id} {readers}"

    async def read(self) -> Snapshot:
        """Return the bundle now.

        Raises:
            Problem: 403, the client may not have it. 404, there is no such bundle.
        """
        bundle = await self.bundles.get(self.number, self.bundle_id, self.client)
        return Snapshot.of(bundle_body(bundle, None), ended=bundle.state is not BundleState.BUILDING)
