"""A change to a workflow must keep the runs that are open working: every recorded history replays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from activities.spans import trace_interceptors
from adapters.telemetry import open_tracer
from workflows.audit_store import AuditStore
from workflows.build_bundle import BuildBundle
from workflows.deliver_webhook import DeliverWebhook
from workflows.download_batch import DownloadBatch
from workflows.download_process import DownloadProcess
from workflows.erase_process import EraseProcess
from workflows.monitor_court import MonitorCourt
from workflows.request_headers import RequestHeadersInterceptor
from workflows.sweep_bundles import SweepBundles
from workflows.sweep_history import SweepHistory

HISTORIES = sorted(Path(__file__).parent.glob("*.json"))


def test_there_are_histories_of_the_main_scenarios() -> None:
    assert {path.stem for path in HISTORIES} >= {
        "audit-repaired",
        "batch",
        "batch-cancelled",
        "bundle-cancelled",
        "bundle-ready",
        "deliver-second-attempt",
        "download-cancelled",
        "download-completed",
        "download-not_found",
        "download-partial",
        "download-paused",
        "download-throttled",
        "download-refused",
        "erase-running-download",
        "monitor-throttled-and-refused",
        "sweep-bundles",
        "sweep-history",
    }


@pytest.mark.parametrize("traced", [False, True], ids=["", "traced"])
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path, traced: bool) -> None:
    tracer = open_tracer("http://127.0.0.1:1" if traced else None, None, service="autos-worker")
    replayer = Replayer(
        workflows=[
            *(AuditStore, BuildBundle, DeliverWebhook, DownloadBatch, DownloadProcess, EraseProcess, MonitorCourt),
            *(SweepBundles, SweepHistory),
        ],
        interceptors=[*trace_interceptors(tracer), RequestHeadersInterceptor()],
    )
    await replayer.replay_workflow(_history(path))
    await tracer.close()


def _history(path: Path) -> WorkflowHistory:
    recorded = json.loads(path.read_text())
    return WorkflowHistory.from_json(recorded["workflow_id"], recorded["history"])
