"""The activities that build bundles."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.bundle_pieces import PieceSource, read_file
from activities.errors import at_capacity, giving_up_on_defects, refusal, translating_infrastructure_errors
from activities.heartbeats import heartbeating, seconds_at_work
from activities.metrics import NO_METRICS, WorkerMetrics
from domain.bundle_contents import BuiltPdf, CoverFacts, Omission, Piece
from domain.bundle_messages import (
    BundleDeliveries,
    BundleFailing,
    BundlePlan,
    BundleRequest,
    ConversionLot,
    ConvertedLot,
    NotifyRequest,
)
from domain.bundle_selection import BundleFormat
from domain.bundles import Bundle, BundleBuild, BundleFailure, BundleMember, BundleProgress, BundleState
from domain.documents import StoredObject
from domain.errors import (
    BundleFailureCode,
    BundleNotBuilt,
    BundleRefused,
    StorageFailure,
    StoreUnavailable,
)
from domain.storage import bundle_key, bundle_prefix, bundles_prefix

if TYPE_CHECKING:
    from activities.store_circuit import StoreCircuitBreaker
    from adapters.bundles.zip_archive import ZipBundle
    from adapters.database import Catalog
    from adapters.scratch import ScratchDisk
    from adapters.storage import ObjectStore
    from adapters.storage.bundle_store import BundleStore

BuildPdf: TypeAlias = Callable[[CoverFacts, Sequence[Piece], Path, Path], Awaitable[BuiltPdf]]
BuildZip: TypeAlias = Callable[[CoverFacts, Sequence[Piece]], "ZipBundle"]

# The documents, what they are merged into, and the same once more with footers.
_SCRATCH_FACTOR = {BundleFormat.PDF: 3, BundleFormat.ZIP: 1}
# For the cover, the table and the placeholders of a bundle without documents of any size.
_SCRATCH_EXTRA_BYTES = 16 * 1024**2
_DOCUMENTS_PER_LOT = 20
_REPORT_SECONDS = 1.0
_TOKEN_BYTES = 8
# A defect, or a builder that fails, is tried so often.
_MAX_ATTEMPTS = 3
# All attempts together. A bundle that kills its worker each time is given up after this.
_MAX_SECONDS_AT_WORK = 4 * 3600.0

_log = structlog.get_logger()


class BundleCatalogActivities:
    """The activities of bundles that only read and write the catalog. Each is idempotent.

    Args:
        catalog: Has the bundles.
        metrics: Counts builds that have failed.
    """

    def __init__(self, catalog: Catalog, metrics: WorkerMetrics = NO_METRICS) -> None:
        self._catalog = catalog
        self._metrics = metrics

    @activity.defn
    async def plan_bundle(self, request: BundleRequest) -> BundlePlan:
        """Return what there is to do for a bundle."""
        with _translating_failures():
            build = await self._catalog.bundle_builds.read(request.bundle_id)
        return BundlePlan(exists=False) if build is None else BundlePlan(True, len(build.to_convert))

    @activity.defn
    async def fail_bundle(self, failing: BundleFailing) -> None:
        """Record that a bundle is not built."""
        with translating_infrastructure_errors():
            failure = BundleFailure(BundleFailureCode(failing.code), failing.answer)
            request = failing.request
            if not await self._catalog.bundles.record_failure(request.bundle_id, request.process_number, failure):
                return
        self._metrics.count_bundle(failure.code)
        _log.warning(
            "bundle not built",
            process=failing.request.process_number,
            bundle=failing.request.bundle_id,
            code=failing.code,
            answer=failing.answer,
        )

    @activity.defn
    async def next_deliveries(self, request: NotifyRequest) -> BundleDeliveries:
        """Return the next events that announce the end of a build."""
        with translating_infrastructure_errors():
            return BundleDeliveries(
                await self._catalog.bundles.list_deliveries(request.request.bundle_id, after=request.after)
            )


class BundleActivities:
    """The activities that build bundles. Each is idempotent.

    Args:
        store: Has the documents.
        bundles: Has the bundles, and what was converted for them.
        pieces: Puts documents on the scratch disk.
        circuit: The circuit breaker of the store.
        scratch: Has the intermediate files.
        build_pdf: Makes a PDF of pieces.
        build_zip: Makes a ZIP of pieces.
        metrics: Counts bundles that are ready.
    """

    def __init__(
        self,
        catalog: Catalog,
        store: ObjectStore,
        bundles: BundleStore,
        pieces: PieceSource,
        circuit: StoreCircuitBreaker,
        scratch: ScratchDisk,
        *,
        build_pdf: BuildPdf,
        build_zip: BuildZip,
        metrics: WorkerMetrics = NO_METRICS,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._bundles = bundles
        self._pieces = pieces
        self._circuit = circuit
        self._scratch = scratch
        self._build_pdf = build_pdf
        self._build_zip = build_zip
        self._metrics = metrics

    @activity.defn
    async def convert_lot(self, lot: ConversionLot) -> ConvertedLot:
        """Convert the next documents that are no PDF, and keep the results in the store."""
        with _translating_failures():
            async with heartbeating(), self._guarding(lot.request.process_number):
                build = await self._catalog.bundle_builds.read(lot.request.bundle_id)
                if build is None:
                    return ConvertedLot(None)
                done = [each for each in build.to_convert if each.place <= lot.after]
                left = build.to_convert[len(done) :]
                chosen = left[:_DOCUMENTS_PER_LOT]
                await self._convert_all(build, chosen, BundleProgress.of(done))
        return ConvertedLot(chosen[-1].place if len(left) > len(chosen) else None)

    @activity.defn
    async def assemble_bundle(self, request: BundleRequest) -> bool:
        """Make one file of the documents and store it. Returns whether the bundle is ready.

        Nothing stays on the scratch disk, and no part of an upload in the store, however this ends.
        """
        number = request.process_number
        with _translating_failures():
            if seconds_at_work() > _MAX_SECONDS_AT_WORK:
                raise BundleRefused(BundleFailureCode.NOT_BUILT, "The bundle was not built in time.")
            async with heartbeating(), self._guarding(number):
                build = await self._catalog.bundle_builds.read(request.bundle_id)
                if build is None:
                    # An attempt before may have died after it was recorded.
                    ended = await self._catalog.bundles.get(number, request.bundle_id)
                    return ended is not None and ended.state is BundleState.READY
                needed = _SCRATCH_FACTOR[build.bundle.format] * build.bundle.total_bytes + _SCRATCH_EXTRA_BYTES
                with self._scratch.folder(needed) as folder:
                    return await self._assemble(build, folder)

    async def _convert_all(
        self, build: BundleBuild, members: Sequence[BundleMember], progress: BundleProgress
    ) -> None:
        report = _Report(self._catalog, build.bundle.id)
        for member in members:
            assert member.stored is not None  # noqa: S101 - what is converted has bytes.
            with self._scratch.folder(_SCRATCH_FACTOR[BundleFormat.PDF] * member.stored.size_bytes) as folder:
                async with self._writing():
                    await self._pieces.convert_one(build, member, folder)
            progress = progress.and_one(member)
            await report.send(progress)

    async def _assemble(self, build: BundleBuild, folder: Path) -> bool:
        bundle = build.bundle
        report = _Report(self._catalog, bundle.id)
        async with self._writing():
            # What killed attempts have left behind.
            await self._store.abort_uploads(
                bundle_prefix(bundle.process_number, bundle.id), older_than=timedelta(0)
            )
            pieces = await self._pieces.fetch_all(build, folder, report.send)
            try:
                stored, pages, omissions = await self._build_and_store(build, pieces, folder)
            except BundleNotBuilt as error:
                if self._scratch.is_nearly_full():
                    raise self._scratch.filled_up() from None
                if error.retryable and activity.info().attempt < _MAX_ATTEMPTS:
                    raise
                raise BundleRefused(BundleFailureCode.NOT_BUILT, str(error)) from None
        progress = BundleProgress(bundle.total_documents, pages or 0, bundle.total_bytes)
        kept_key = await self._catalog.bundles.record_ready(
            *(bundle.id, bundle.process_number, stored, progress, omissions), pages=pages
        )
        if kept_key != stored.key:
            await self._store.erase(stored.key)
            return kept_key is not None
        self._metrics.count_bundle()
        _log.info(
            "bundle ready",
            process=bundle.process_number,
            bundle=bundle.id,
            documents=bundle.total_documents,
            pages=pages,
            bytes=stored.size_bytes,
        )
        await self._delete_other_files(bundle, stored.key)
        return True

    async def _delete_other_files(self, bundle: Bundle, kept_key: str) -> None:
        """Delete what other attempts have stored. None of them can be recorded any more."""
        try:
            for key in await self._bundles.list_keys(bundle_prefix(bundle.process_number, bundle.id)):
                if key != kept_key:
                    await self._store.erase(key)
        except StorageFailure as failure:
            # The sweep does it, a day later.
            _log.warning("files of other attempts not deleted", bundle=bundle.id, detail=str(failure))

    async def _build_and_store(
        self, build: BundleBuild, pieces: Sequence[Piece], folder: Path
    ) -> tuple[StoredObject, int | None, tuple[Omission, ...]]:
        bundle = build.bundle
        key = bundle_key(bundle.process_number, bundle.id, secrets.token_hex(_TOKEN_BYTES), bundle.format)
        if bundle.format is BundleFormat.ZIP:
            archive = self._build_zip(build.facts, pieces)
            stored = await self._bundles.write(key, archive, bundle.format.media_type)
            return stored, None, archive.built.omissions
        output, work = folder / "bundle.pdf", folder / "work"
        work.mkdir()
        built = await self._build_pdf(build.facts, pieces, output, work)
        stored = await self._bundles.write(key, read_file(output), bundle.format.media_type)
        return stored, built.pages, built.omissions

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        """Run a block that writes to the store, behind its circuit breaker."""
        generation = await self._check_store()
        try:
            yield
        except StorageFailure as failure:
            await self._circuit.record_failure(failure, generation=generation)
            if failure.permanent and activity.info().attempt >= _MAX_ATTEMPTS:
                # The store takes other writes.
                raise BundleRefused(BundleFailureCode.NOT_STORED, str(failure)) from None
            raise
        self._circuit.record_success()

    async def _check_store(self) -> int:
        try:
            return await self._circuit.check()
        except StoreUnavailable as failure:
            state = await self._circuit.probe_if_due()
            if state.answers:
                return await self._circuit.check()
            raise at_capacity(str(failure), retry_in=timedelta(seconds=state.look_again_seconds)) from None

    @asynccontextmanager
    async def _guarding(self, number: str) -> AsyncIterator[None]:
        """Run a block that writes files of a process. If the process is erased meanwhile, nothing of it stays."""
        try:
            yield
        except BaseException:
            # Any error: a document that an erasure has deleted is one that the store has lost.
            await asyncio.shield(self._discard_if_erased(number))
            raise
        await self._discard_if_erased(number)

    async def _discard_if_erased(self, number: str) -> None:
        if await self._catalog.erasures.is_blocked(number):
            await self._store.erase(bundles_prefix(number))


class _Report:
    """Reports the progress of a build, once a second at most."""

    def __init__(self, catalog: Catalog, bundle_id: str) -> None:
        self._catalog = catalog
        self._bundle_id = bundle_id
        self._reported_at = float("-inf")

    async def send(self, progress: BundleProgress) -> None:
        if time.monotonic() - self._reported_at >= _REPORT_SECONDS:
            self._reported_at = time.monotonic()
            await self._catalog.bundles.record_progress(self._bundle_id, progress)


@contextmanager
def _translating_failures() -> Iterator[None]:
    """Translate what an activity of a bundle raises. While the store takes no writes, Temporal retries it."""
    with giving_up_on_defects(after_attempts=_MAX_ATTEMPTS), translating_infrastructure_errors():
        try:
            yield
        except BundleRefused as error:
            raise refusal(error) from None
        except (StoreUnavailable, BundleNotBuilt) as error:
            raise ApplicationError(str(error), type=type(error).__name__) from None
