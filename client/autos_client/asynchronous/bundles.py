"""Bundles, in the client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from pathlib import Path

from autos_client import bundles
from autos_client.asynchronous.connection import Connection
from autos_client.bundle_models import Bundle
from autos_client.bundles import BundleOptions, BundleState
from autos_client.patience import Patience, patience_of


class BundleMethods(Connection):
    """Get the documents of a process in one file."""

    async def request_bundle(
        self,
        number: str,
        bundle_format: str = "pdf",
        *,
        instances: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        filed_from: date | None = None,
        filed_to: date | None = None,
        document_ids: Sequence[str] | None = None,
        order: str | None = None,
        webhook_url: str | None = None,
    ) -> Bundle:
        """See ``Autos.request_bundle``."""
        options = BundleOptions(bundle_format, instances, types, filed_from, filed_to, document_ids, order)
        return await self._call(bundles.request_call(number, options, webhook_url))

    async def bundle(self, number: str, bundle_id: str) -> Bundle:
        """See ``Autos.bundle``."""
        return await self._call(bundles.get_call(number, bundle_id))

    async def wait_for_bundle(
        self,
        bundle: Bundle,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - It limits the build, not this call.
    ) -> Bundle:
        """See ``Autos.wait_for_bundle``."""
        return await self._run(bundles.wait_until_ready(bundle, self._patience, timeout=timeout))

    async def watch_bundle(self, bundle: Bundle) -> AsyncIterator[Bundle]:
        """See ``Autos.watch_bundle``."""
        async for each in self._follow(bundles.bundle_stream(bundle)):
            yield each

    async def save_bundle(
        self,
        number: str,
        to: str | Path,
        bundle_format: str = "pdf",
        *,
        instances: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        filed_from: date | None = None,
        filed_to: date | None = None,
        document_ids: Sequence[str] | None = None,
        order: str | None = None,
        overwrite: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - It limits the build, not this call.
        patience: float | Patience | None = None,
        on_progress: Callable[[BundleState], None] | None = None,
    ) -> Bundle:
        """See ``Autos.save_bundle``."""
        options = BundleOptions(bundle_format, instances, types, filed_from, filed_to, document_ids, order)
        return await self._run(
            bundles.save(
                *(number, Path(to), options, patience_of(patience, self._patience)),
                timeout=timeout,
                overwrite=overwrite,
                on_progress=on_progress,
            )
        )
