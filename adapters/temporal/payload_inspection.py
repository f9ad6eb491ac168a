"""Whether this service can decrypt what the others have written to Temporal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.errors import BACKGROUND_CALL_TIMEOUT, is_not_found, translating_temporal_errors
from adapters.temporal.payload_codec import create_data_converter, is_encrypted

if TYPE_CHECKING:
    from adapters.security.encryption import PayloadEncryptor

_NEWEST = 5
_TOTAL_SECONDS = 10.0


async def count_encrypted_payloads(client: Client, encryptor: PayloadEncryptor | None) -> tuple[int, int]:
    """Decrypt the arguments of the newest workflows.

    Returns:
        How many of them were encrypted, and how many there are.

    Raises:
        ConfigurationError: The key of one is not configured, or one was changed.
        DependencyUnavailable: Temporal does not answer.
    """
    async with translating_temporal_errors(_TOTAL_SECONDS):
        payloads = await _read_newest_arguments(client)
    encrypted = [payload for payload in payloads if is_encrypted(payload)]
    converter = create_data_converter(encryptor)
    # One by one and without types: what they mean does not matter here.
    for payload in encrypted:
        if converter.payload_codec is None:
            converter.payload_converter.from_payload(payload)
        else:
            await converter.payload_codec.decode([payload])
    return len(encrypted), len(payloads)


async def _read_newest_arguments(client: Client) -> list[Payload]:
    service = client.workflow_service
    listed = await service.list_workflow_executions(
        ListWorkflowExecutionsRequest(namespace=client.namespace, page_size=_NEWEST),
        timeout=BACKGROUND_CALL_TIMEOUT,
    )
    payloads: list[Payload] = []
    for found in listed.executions:
        try:
            history = await service.get_workflow_execution_history(
                GetWorkflowExecutionHistoryRequest(
                    namespace=client.namespace,
                    execution=WorkflowExecution(
                        workflow_id=found.execution.workflow_id, run_id=found.execution.run_id
                    ),
                    maximum_page_size=1,
                ),
                timeout=BACKGROUND_CALL_TIMEOUT,
            )
        except RPCError as error:
            if is_not_found(error):  # Deleted since it was listed.
                continue
            raise
        payloads += history.history.events[0].workflow_execution_started_event_attributes.input.payloads
    return payloads
