"""The blocking client: ``Autos``."""

from __future__ import annotations

from autos_client.blocking.batches import BatchMethods
from autos_client.blocking.bundles import BundleMethods
from autos_client.blocking.cases import CaseMethods
from autos_client.blocking.court import CourtMethods
from autos_client.blocking.erasures import ErasureMethods
from autos_client.blocking.processes import ProcessMethods
from autos_client.blocking.runs import RunMethods
from autos_client.blocking.trail import TrailMethods
from autos_client.blocking.watches import WatchMethods
from autos_client.blocking.webhooks import WebhookMethods


class Autos(
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
    """A blocking client of the API. Close it, or use it in a ``with`` block. Thread-safe.

    Idempotent requests are retried a few times if the API does not answer or asks to wait (``Retry-After``, up to
    about a minute). Each method raises ``ApiProblem`` if the API refuses.

    Args:
        base_url: Where the API is.
        api_key: Sent to the API only, never to the store.
        timeout: Seconds to wait for each part of an answer.
        patience: Seconds to outlive an API, or a store, that does not answer. Idempotent requests are then tried
            again, and not only a few times. No server has them wait for longer than that; with 0, it has no say. A
            ``Patience`` also reports outages and waits.
        purpose: What documents are wanted for. The access trail of the service keeps it.
        transport: An ``httpx2`` transport for all requests, instead of httpx2's own.

    Raises:
        ValueError: The address or the key cannot be used.
    """
