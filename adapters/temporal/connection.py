"""Connect to Temporal as its own standard environment variables say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.common import HeaderCodecBehavior, SearchAttributeKey
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from adapters.logs import log_cause
from adapters.temporal.payload_codec import create_data_converter
from adapters.temporal.request_tracing import RequestTracingInterceptor
from domain.errors import AutosError, ConfigurationError, DependencyUnavailable
from domain.spans import NO_TRACES, Tracer

if TYPE_CHECKING:
    from adapters.security.encryption import PayloadEncryptor

_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 5.0
_ATTEMPT_SECONDS = 5.0
_CALL_TIMEOUT = timedelta(seconds=5)
_ADDRESS = re.compile(r"(https?://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):[0-9]{1,5}/?")
_REFUSALS = frozenset({RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED})
_MEANINGS = {
    "InvalidContentType": "speaks no TLS, and TEMPORAL_TLS, TEMPORAL_API_KEY or a certificate asks for it: "
    "set TEMPORAL_TLS=false, or leave them out.",
    "InvalidCertificate": "shows a certificate that is not trusted: see TEMPORAL_TLS_SERVER_CA_CERT_PATH and "
    "TEMPORAL_TLS_SERVER_NAME.",
    "PrivateKeyParseError": "cannot be reached: the file of TEMPORAL_TLS_CLIENT_KEY_PATH holds no private key.",
    "CertificateParseError": "cannot be reached: a file of TEMPORAL_TLS_…_CERT_PATH holds no certificate.",
    "CertificateRequired": "wants a client's certificate: see TEMPORAL_TLS_CLIENT_CERT_PATH.",
}

_log = structlog.get_logger()


class NamespaceMissing(ConfigurationError):
    """Temporal answers and does not know the namespace."""


def connection_config() -> dict[str, Any]:
    """Return the connection options of ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE`` and the other variables.

    Without any of them the server is expected on this machine.

    Raises:
        ConfigurationError: The variables are invalid.
    """
    config: dict[str, Any] = {"target_host": "127.0.0.1:7233"}
    try:
        config |= ClientConfig.load_client_connect_config()
    except OSError as error:
        raise ConfigurationError(
            "A file that Temporal's variables name (TEMPORAL_TLS_…_PATH, TEMPORAL_CONFIG_FILE) cannot be read: "
            f"{error.strerror or type(error).__name__}."
        ) from None
    except (RuntimeError, ValueError):
        raise ConfigurationError(
            "Temporal's settings cannot be read: see TEMPORAL_PROFILE and the file of TEMPORAL_CONFIG_FILE."
        ) from None
    if not _ADDRESS.fullmatch(config["target_host"]):
        raise ConfigurationError("TEMPORAL_ADDRESS must be HOST:PORT, as in 127.0.0.1:7233.")
    return config


async def connect(
    encryptor: PayloadEncryptor | None = None,
    *,
    lazy: bool = False,
    runtime: Runtime | None = None,
    tracer: Tracer = NO_TRACES,
) -> Client:
    """Connect, and check that the namespace exists.

    Args:
        encryptor: Encrypts all that Temporal stores of this client and its workers. None encrypts nothing, and is
            enough where no payload is sent or read.
        lazy: Connect at the first call, so that a service can start before Temporal does. The namespace is not
            checked.
        runtime: The SDK's runtime, which keeps its metrics. None means the default one, which keeps none.
        tracer: Opens a span for each start of a workflow.

    Raises:
        DependencyUnavailable: Temporal does not answer.
        ConfigurationError: The variables are invalid, Temporal refuses us, or the namespace does not exist.
    """
    config = connection_config()
    address = config["target_host"]
    try:
        # If a server accepts the connection and sends nothing, the SDK waits for half a minute.
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            client = await Client.connect(
                **config,
                lazy=lazy,
                runtime=runtime,
                interceptors=[RequestTracingInterceptor(tracer)],
                data_converter=create_data_converter(encryptor),
                # Otherwise headers, which hold the ids of requests, are stored as they are.
                header_codec_behavior=HeaderCodecBehavior.CODEC if encryptor else HeaderCodecBehavior.NO_CODEC,
            )
    except ValueError:
        raise ConfigurationError("TEMPORAL_ADDRESS must be HOST:PORT, as in 127.0.0.1:7233.") from None
    except (RPCError, RuntimeError, TimeoutError) as error:
        raise _unreachable(address, error) from None
    if not lazy:
        await check_namespace(client)
    return client


async def check_namespace(client: Client) -> None:
    """Check that the namespace exists.

    Raises:
        DependencyUnavailable: Temporal does not answer.
        ConfigurationError: It refuses us, or the namespace does not exist.
    """
    address = client.service_client.config.target_host
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace), timeout=_CALL_TIMEOUT
            )
    except (RPCError, RuntimeError, TimeoutError) as error:
        if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
            raise NamespaceMissing(
                f"Temporal at {address} has no namespace {client.namespace}: create it "
                f"(`temporal operator namespace create --namespace {client.namespace}`), or set TEMPORAL_NAMESPACE."
            ) from None
        raise _unreachable(address, error) from None


async def connect_patiently(
    patience_seconds: float,
    runtime: Runtime | None = None,
    encryptor: PayloadEncryptor | None = None,
    tracer: Tracer = NO_TRACES,
) -> Client:
    """Connect, retrying while Temporal is not up yet. Each new reason for a failure is logged at once.

    Args:
        patience_seconds: How long to retry.
        runtime: See `connect`.
        encryptor: See `connect`.
        tracer: See `connect`.

    Raises:
        DependencyUnavailable: Temporal did not come up in time.
        ConfigurationError: The failure is one that waiting does not mend.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    wait = _FIRST_WAIT_SECONDS
    logged = ""
    while True:
        try:
            return await connect(encryptor, runtime=runtime, tracer=tracer)
        except DependencyUnavailable as error:
            if asyncio.get_running_loop().time() + wait > deadline:
                raise
            if str(error) != logged:
                logged = str(error)
                _log.warning("waiting for temporal", detail=logged, seconds=patience_seconds)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


async def report_trouble(client: Client) -> None:
    """Log why a lazily connecting client does not reach Temporal, each reason once, until it does."""
    logged = ""
    while True:
        try:
            await check_namespace(client)
        except AutosError as error:
            if str(error) != logged:
                logged = str(error)
                _log.warning("temporal unavailable", detail=logged)
        else:
            if logged:
                _log.info("temporal answers")
            return
        await asyncio.sleep(_LONGEST_WAIT_SECONDS)


def _unreachable(address: str, error: Exception) -> AutosError:
    """Return the error for a failed connection. The SDK has no types for reasons: its message is searched."""
    log_cause(error, "temporal")
    words = str(error)
    status = error.status if isinstance(error, RPCError) else None
    if status in _REFUSALS or "code: Unauthenticated" in words or "code: PermissionDenied" in words:
        return ConfigurationError(
            f"Temporal at {address} refuses us: see TEMPORAL_API_KEY, TEMPORAL_NAMESPACE and TEMPORAL_TLS_…."
        )
    for word, meaning in _MEANINGS.items():
        if word in words:
            return ConfigurationError(f"Temporal at {address} {meaning}")
    if "after connection" in words and "transport error" in words:
        # A server that expects TLS does this, and so does one that is just starting.
        return DependencyUnavailable(
            "temporal", f"Temporal at {address} breaks the connection off. Does it want TLS (TEMPORAL_TLS=true)?"
        )
    reason = f" ({status.name})" if status is not None else ""
    return DependencyUnavailable("temporal", f"Temporal does not answer at {address}{reason}.")


async def register_search_attributes(client: Client, attributes: Sequence[SearchAttributeKey[Any]]) -> None:
    """Register our search attributes in the namespace. Repeating it changes nothing.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not let us.
    """
    try:
        missing = await _find_missing(client, attributes)
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal did not take the search attributes ({error.status.name})."
        ) from None


async def list_missing_search_attributes(
    client: Client, attributes: Sequence[SearchAttributeKey[Any]]
) -> list[str]:
    """Return the names of our search attributes that are not registered in the namespace.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not tell us.
    """
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            return sorted(await _find_missing(client, attributes))
    except (RPCError, RuntimeError, TimeoutError) as error:
        log_cause(error, "temporal")
        reason = error.status.name if isinstance(error, RPCError) else type(error).__name__
        raise DependencyUnavailable(
            "temporal", f"Temporal does not tell its search attributes ({reason})."
        ) from None


async def _find_missing(
    client: Client, attributes: Sequence[SearchAttributeKey[Any]]
) -> dict[str, IndexedValueType.ValueType]:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return {
        key.name: IndexedValueType.ValueType(key.indexed_value_type)
        for key in attributes
        if key.name not in known.custom_attributes
    }


async def read_queue_rate_limit(client: Client, task_queue: str) -> float | None:
    """Return the activities per second that an operator has set for a task queue, or None.

    Raises:
        DependencyUnavailable: Temporal does not answer, or does not tell us.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        report_config=True,
    )
    try:
        queue = await client.workflow_service.describe_task_queue(request, timeout=_CALL_TIMEOUT)
    except RPCError as error:
        raise DependencyUnavailable(
            "temporal", f"Temporal does not tell the rate of the task queue {task_queue} ({error.status.name})."
        ) from None
    limit = queue.config.queue_rate_limit
    return float(limit.rate_limit.requests_per_second) if limit.HasField("rate_limit") else None
