"""Encryption of payloads: what Temporal stores of arguments, results, memos, headers, texts and failures.

Payloads are ids, counts and short texts. Encrypting one takes microseconds, and two mebibytes, the most that
Temporal accepts, take a millisecond or two, so it is done on the event loop.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    PayloadCodec,
)

from domain.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from adapters.security.encryption import PayloadEncryptor

ENCODING = "binary/encrypted"
ENCODING_FIELD = "encoding"
KEY_ID_FIELD = "encryption-key-id"

_log = structlog.get_logger()


class EncryptingCodec(PayloadCodec):
    """Codec that encrypts every payload, and names the key in the payload's metadata.

    Plain payloads are read as they are: they are from before encryption was switched on.
    """

    def __init__(self, encryptor: PayloadEncryptor) -> None:
        self._encryptor = encryptor

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt payloads with the newest key."""
        return [self._encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt payloads.

        Raises:
            ConfigurationError: The key of one is not configured, or one was changed.
        """
        return [self._decrypt(payload) if is_encrypted(payload) else payload for payload in payloads]

    def _encrypt(self, payload: Payload) -> Payload:
        key_id = self._encryptor.key_id.encode()
        return Payload(
            metadata={ENCODING_FIELD: ENCODING.encode(), KEY_ID_FIELD: key_id},
            data=self._encryptor.encrypt(payload.SerializeToString(), _context(key_id)),
        )

    def _decrypt(self, payload: Payload) -> Payload:
        key_id = payload.metadata.get(KEY_ID_FIELD, b"")
        try:
            content = self._encryptor.decrypt(key_id.decode(errors="replace"), payload.data, _context(key_id))
        except ConfigurationError as error:
            _log_once(str(error))
            raise
        return Payload.FromString(content)


@lru_cache(maxsize=64)
def _log_once(detail: str) -> None:
    # Temporal repeats what fails, and the SDK logs each time a stack in which this sentence is hard to find.
    _log.error("payload unreadable", detail=detail)


def is_encrypted(payload: Payload) -> bool:
    """Return whether a payload is one of ours that was encrypted."""
    return payload.metadata.get(ENCODING_FIELD) == ENCODING.encode()


def _context(key_id: bytes) -> bytes:
    return ENCODING.encode() + b"\0" + key_id


class _MissingKeyConverter(EncodingPayloadConverter):
    """Says what is missing where a service without keys reads an encrypted payload."""

    @property
    def encoding(self) -> str:
        return ENCODING

    def to_payload(self, value: Any) -> None:
        """Encode nothing: the other converters do."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> NoReturn:
        key_id = payload.metadata.get(KEY_ID_FIELD, b"").decode(errors="replace")
        detail = (
            f"A payload in Temporal is encrypted with the key {key_id[:64]!r}, and AUTOS_PAYLOAD_KEY is not set: "
            "set it to the same keys for the API and the workers."
        )
        _log_once(detail)
        raise ConfigurationError(detail)


class _PlainPayloadConverter(CompositePayloadConverter):
    """The SDK's converter, with an answer to encrypted payloads. What it writes is the same."""

    def __init__(self) -> None:
        super().__init__(*DefaultPayloadConverter.default_encoding_payload_converters, _MissingKeyConverter())


def create_data_converter(encryptor: PayloadEncryptor | None) -> DataConverter:
    """Return the converter of a connection: an encrypting one, or the SDK's own if there is no encryptor.

    The encrypting one also moves the texts and stack traces of failures into payloads.
    """
    if encryptor is None:
        return dataclasses.replace(DataConverter.default, payload_converter_class=_PlainPayloadConverter)
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=EncryptingCodec(encryptor),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


class JsonCodec:
    """The codec for programs that send payloads as Temporal's JSON: its UI and its command.

    Args:
        codec: What encrypts and decrypts.
    """

    def __init__(self, codec: PayloadCodec) -> None:
        self._codec = codec

    async def encode(self, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Encrypt payloads.

        Raises:
            InvalidInput: They are not payloads.
        """
        return _to_json(await self._codec.encode(_from_json(payloads)))

    async def decode(self, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Decrypt payloads.

        Raises:
            InvalidInput: They are not payloads, or one cannot be decrypted.
        """
        try:
            return _to_json(await self._codec.decode(_from_json(payloads)))
        except (ConfigurationError, DecodeError) as error:
            raise InvalidInput(str(error), field="payloads") from None


def _from_json(payloads: list[dict[str, Any]]) -> list[Payload]:
    try:
        return list(ParseDict({"payloads": payloads}, Payloads(), ignore_unknown_fields=True).payloads)
    except (ParseError, ValueError, TypeError, AttributeError, RecursionError):
        raise InvalidInput("These are not payloads in Temporal's JSON.", field="payloads") from None


def _to_json(payloads: list[Payload]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = MessageToDict(Payloads(payloads=payloads)).get("payloads", [])
    return content
