"""Checks of Temporal and of the workers that it knows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.security.encryption import PayloadEncryptor
from adapters.temporal.connection import (
    NamespaceMissing,
    check_namespace,
    connect,
    list_missing_search_attributes,
)
from adapters.temporal.payload_inspection import count_encrypted_payloads
from adapters.temporal.worker_counts import WorkerCountClient
from cli.doctor.findings import CheckName, Fault, Finding, failed, ok, warning
from cli.doctor.parts import Parts
from domain.errors import DependencyUnavailable
from domain.text import counted
from workflows.search_attributes import SEARCH_ATTRIBUTES

if TYPE_CHECKING:
    from temporalio.client import Client


async def check_temporal(parts: Parts) -> Finding:
    """Check that Temporal answers and accepts us."""
    parts.temporal = client = await connect(lazy=True)
    with suppress(NamespaceMissing):  # It answers; the next check says so.
        try:
            await check_namespace(client)
        except DependencyUnavailable:  # Once more: on a busy machine, a first connection may take too long.
            await check_namespace(client)
    return ok(f"Temporal answers at {client.service_client.config.target_host}.")


async def check_temporal_namespace(parts: Parts) -> Finding:
    """Check that the namespace exists."""
    client = _client(parts)
    try:
        await check_namespace(client)
    except NamespaceMissing:
        return failed(
            f"Temporal has no namespace {client.namespace}.",
            f"Create it (`temporal operator namespace create --namespace {client.namespace}`), or set "
            "TEMPORAL_NAMESPACE.",
            Fault.SETTING,
        )
    return ok(f"The namespace {client.namespace} exists.")


async def check_search_attributes(parts: Parts) -> Finding:
    """Check that our search attributes are registered."""
    missing = await list_missing_search_attributes(_client(parts), SEARCH_ATTRIBUTES)
    if missing:
        return failed(
            f"The namespace lacks the search attributes {', '.join(missing)}: no run can start.",
            "Run `autos migrate`.",
        )
    return ok(f"All {len(SEARCH_ATTRIBUTES)} search attributes are registered.")


async def check_workers(parts: Parts) -> Finding:
    """Check that each task queue has a worker."""
    counts = await WorkerCountClient(_client(parts)).count()
    idle = [queue for queue, count in counts.items() if not count]
    if idle:
        queues = " and ".join(idle)
        return failed(
            f"No worker polls the task queue{'s' if len(idle) > 1 else ''} {queues}: nothing there goes on.",
            "Start `autos worker` with the same TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or read in its log why it "
            "ended.",
        )
    return ok("; ".join(f"{counted(count, 'worker')} for {queue}" for queue, count in counts.items()) + ".")


async def check_payload_key(parts: Parts) -> Finding:
    """Check that AUTOS_PAYLOAD_KEY is a key, and that it opens what other services have written lately."""
    keys = parts.settings.payload_keys
    encryptor = PayloadEncryptor(keys) if keys else None
    state = "It is set" if encryptor else "It is not set"
    if not parts.is_usable(CheckName.NAMESPACE):
        return ok(f"{state}. It was not tried on what Temporal has.")
    encrypted, found = await count_encrypted_payloads(_client(parts), encryptor)
    if encryptor is None:
        return ok("It is not set, and what Temporal has of the newest workflows is not encrypted.")
    if found and not encrypted:
        return warning(
            "It is set, but the newest workflows are not encrypted.",
            "Set it for all APIs and workers, and restart them. Nothing else if it was switched on a moment ago.",
        )
    return ok(f"It is set, and opens {counted(encrypted, 'payload')} of the newest workflows.")


def _client(parts: Parts) -> Client:
    assert parts.temporal is not None  # noqa: S101 - these checks need the one that sets it.
    return parts.temporal
