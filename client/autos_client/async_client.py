"""The client for asyncio: ``AsyncAutos``."""

from __future__ import annotations

from autos_client.asynchronous.batches import BatchMethods
from autos_client.asynchronous.bundles import BundleMethods
from autos_client.asynchronous.cases import CaseMethods
from autos_client.asynchronous.court import CourtMethods
from autos_client.asynchronous.erasures import ErasureMethods
from autos_client.asynchronous.processes import ProcessMethods
from autos_client.asynchronous.runs import RunMethods
from autos_client.asynchronous.trail import TrailMethods
from autos_client.asynchronous.watches import WatchMethods
from autos_client.asynchronous.webhooks import WebhookMethods


class AsyncAutos(
    ProcessMethods,
    RunMethods,
    BundleMethods,
    BatchMethods,
    WatchMethods,
    WebhookMethods,
    CourtMethods,
    TrailMethods,
    ErasureMethods,
    CaseMethods,
):
    """The same as ``Autos`` for asyncio. Close it, or use it in an ``async with`` block."""
