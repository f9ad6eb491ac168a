"""Bundles, in the blocking client."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path

from autos_client import bundles
from autos_client.blocking.connection import Connection
from autos_client.bundle_models import Bundle
from autos_client.bundles import BundleOptions, BundleState
from autos_client.patience import Patience, patience_of


class BundleMethods(Connection):
    """Get the documents of a process in one file."""

    def request_bundle(
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
        """Request the stored documents of a process in one file. Idempotent: it is built once.

        Args:
            number: The process.
            bundle_format: ``pdf`` or ``zip``.
            instances: Degrees or names of instances, such as ``G1``. ``None``, here and below, means all.
            types: Types of documents.
            filed_from: Filed on that day or later.
            filed_to: Filed on that day or earlier.
            document_ids: Ids of documents.
            order: ``filed`` or ``listed``.
            webhook_url: Called once when the bundle is ready, unless it is ready already.
        """
        options = BundleOptions(bundle_format, instances, types, filed_from, filed_to, document_ids, order)
        return self._call(bundles.request_call(number, options, webhook_url))

    def bundle(self, number: str, bundle_id: str) -> Bundle:
        """Get a bundle, with a fresh link if it is ready."""
        return self._call(bundles.get_call(number, bundle_id))

    def wait_for_bundle(self, bundle: Bundle, *, timeout: float | None = None) -> Bundle:
        """Wait until a bundle is ready.

        Args:
            bundle: The bundle, as ``request_bundle`` returned it.
            timeout: Seconds to wait at most. ``None`` means no limit.

        Raises:
            BundleFailed: It could not be built.
            TookTooLong: The time is over.
        """
        return self._run(bundles.wait_until_ready(bundle, self._patience, timeout=timeout))

    def watch_bundle(self, bundle: Bundle) -> Iterator[Bundle]:
        """Stream a bundle at each change, until it is ready or has failed. Reconnects if the stream breaks.

        None of these has a link. ``bundle`` gets one.
        """
        yield from self._follow(bundles.bundle_stream(bundle))

    def save_bundle(
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
        timeout: float | None = None,
        patience: float | Patience | None = None,
        on_progress: Callable[[BundleState], None] | None = None,
    ) -> Bundle:
        """Request a bundle, wait until it is ready, and save its file, verified by SHA-256.

        If the download breaks off, the next call with the same arguments goes on where it ended.

        Args:
            number: The process.
            to: The path of the file.
            bundle_format: As for ``request_bundle``, like the other options.
            instances: Degrees or names of instances.
            types: Types of documents.
            filed_from: Filed on that day or later.
            filed_to: Filed on that day or earlier.
            document_ids: Ids of documents.
            order: ``filed`` or ``listed``.
            overwrite: Replace a file that has other content.
            timeout: Seconds to wait for the bundle. ``None`` means no limit.
            patience: How long to outlive an API or a store that does not answer, instead of the client's own.
            on_progress: Called with each change.

        Raises:
            FileExistsError: There is another file under this path.
            BundleFailed: The bundle could not be built.
        """
        options = BundleOptions(bundle_format, instances, types, filed_from, filed_to, document_ids, order)
        return self._run(
            bundles.save(
                *(number, Path(to), options, patience_of(patience, self._patience)),
                timeout=timeout,
                overwrite=overwrite,
                on_progress=on_progress,
            )
        )
