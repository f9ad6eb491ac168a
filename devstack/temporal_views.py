"""Views of Temporal's list of workflows, as links into its UI.

The UI keeps columns and saved views in each browser, so a server cannot provide them. A link with a query can.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from workflows.audit_store import AuditStore
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_process import DownloadProcess
from workflows.erase_process import EraseProcess
from workflows.monitor_court import MonitorCourt
from workflows.review_alerts import ReviewAlerts
from workflows.sweep_batches import SweepBatches
from workflows.sweep_bundles import SweepBundles
from workflows.sweep_deliveries import SweepDeliveries
from workflows.sweep_erasures import SweepErasures
from workflows.sweep_history import SweepHistory
from workflows.sweep_uploads import SweepUploads
from workflows.sweep_watches import SweepWatches

_HOUSEKEEPING = (
    *(MonitorCourt, DeliverWebhook, EraseProcess, ReviewAlerts),
    *(
        SweepBatches,
        SweepBundles,
        SweepDeliveries,
        SweepErasures,
        SweepHistory,
        SweepUploads,
        SweepWatches,
        AuditStore,
    ),
)


@dataclass(frozen=True, slots=True)
class TemporalView:
    """A part of Temporal's list of workflows.

    Attributes:
        name: What it shows, for people.
        query: The list filter, which `temporal workflow list --query` takes too.
    """

    name: str
    query: str

    def link(self, ui_url: str, namespace: str = "default") -> str:
        """Return the address of this view in Temporal's UI."""
        return f"{ui_url}/namespaces/{namespace}/workflows?query={quote(self.query, safe='=,()')}"


RUNS = TemporalView("runs", f'WorkflowType="{DownloadProcess.__name__}"')
PROBLEMS = TemporalView("runs with problems", f'{RUNS.query} AND Outcome IN ("partial","failed")')
HOUSEKEEPING = TemporalView(
    "housekeeping", "WorkflowType IN ({})".format(",".join(f'"{kind.__name__}"' for kind in _HOUSEKEEPING))
)

TEMPORAL_VIEWS = (RUNS, PROBLEMS, HOUSEKEEPING)
