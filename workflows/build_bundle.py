"""Build one bundle."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from workflows.deliver_webhook import start_delivery
from workflows.failures import is_cancel_requested
from workflows.options import BUILDING, CATALOG

with workflow.unsafe.imports_passed_through():
    from activities.bundles import BundleActivities, BundleCatalogActivities
    from domain.bundle_messages import BundleFailing, BundleRequest, ConversionLot, NotifyRequest
    from domain.errors import BundleFailureCode, ProcessErased
    from domain.text import counted


@workflow.defn
class BuildBundle:
    """One build, id ``bundle-<id>``: convert what is no PDF, make one file of all, store it, announce it.

    What was converted is kept in the store, so that a build that is killed converts nothing twice. Making the file
    begins anew, on the scratch disk of whichever worker takes it.
    """

    @workflow.run
    async def run(self, request: BundleRequest) -> bool:
        """Build. Returns whether the bundle is ready."""
        try:
            built = await self._build(request)
        except (ActivityError, asyncio.CancelledError) as error:
            failing = _judge(request, error)
            if failing is not None:
                # Not cancelled with the workflow.
                await asyncio.shield(self._fail(failing))
            raise
        if built:
            await self._announce(request)
        return built

    async def _build(self, request: BundleRequest) -> bool:
        plan = await workflow.execute_activity_method(
            BundleCatalogActivities.plan_bundle, request, summary="plan", **CATALOG
        )
        if not plan.exists:
            return False
        after: int | None = -1 if plan.conversions else None
        while after is not None:
            lot = await workflow.execute_activity_method(
                BundleActivities.convert_lot,
                ConversionLot(request, after),
                summary=f"{counted(plan.conversions, 'document')} to convert",
                **BUILDING,
            )
            after = lot.following
        return await workflow.execute_activity_method(
            BundleActivities.assemble_bundle, request, summary="one file of all", **BUILDING
        )

    async def _fail(self, failing: BundleFailing) -> None:
        await workflow.execute_activity_method(
            BundleCatalogActivities.fail_bundle, failing, summary=failing.code, **CATALOG
        )
        # Builds that began before failures were announced.
        if workflow.patched("announce-failures"):
            await self._announce(failing.request)

    async def _announce(self, request: BundleRequest) -> None:
        after = 0
        while True:
            page = await workflow.execute_activity_method(
                BundleCatalogActivities.next_deliveries,
                NotifyRequest(request, after),
                summary="who is told",
                **CATALOG,
            )
            if not page.deliveries:
                return
            for delivery in page.deliveries:
                await start_delivery(delivery, f"bundle of {request.process_number}")
            after = page.deliveries[-1].number


def _judge(request: BundleRequest, error: ActivityError | asyncio.CancelledError) -> BundleFailing | None:
    """Return how a build has failed. None if its process is being erased: then nothing is left to record."""
    cause = error.__cause__
    if isinstance(cause, ApplicationError) and cause.type == ProcessErased.code:
        return None
    if isinstance(cause, ApplicationError) and cause.type in frozenset(BundleFailureCode):
        answer = str(cause.details[0]) if cause.details else ""
        return BundleFailing(request, BundleFailureCode(cause.type).value, answer)
    if is_cancelled_exception(error) or is_cancel_requested():
        return BundleFailing(
            request, BundleFailureCode.CANCELLED.value, "The build was cancelled. Request it again."
        )
    return BundleFailing(request, BundleFailureCode.INTERNAL_ERROR.value, "The service failed by itself.")
