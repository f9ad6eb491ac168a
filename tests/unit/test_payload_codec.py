"""Encryption of payloads: keys, rotation, tampering, and payloads from before it was switched on."""

from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from adapters.security.encryption import PayloadEncryptor
from adapters.temporal.payload_codec import EncryptingCodec, JsonCodec, create_data_converter
from domain.errors import ConfigurationError, InvalidInput
from tests.support.payload_keys import new_payload_key

OLD, NEW = new_payload_key(), new_payload_key()
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"0000001-02.2025.8.11.0041"')


def codec_with(*keys: str) -> EncryptingCodec:
    """Return the codec of a service with these keys."""
    return EncryptingCodec(PayloadEncryptor(list(keys)))


async def encrypt(*keys: str) -> Payload:
    """Return the encrypted form of `PLAIN`."""
    [encrypted] = await codec_with(*keys).encode([PLAIN])
    return encrypted


payloads = st.builds(
    Payload, metadata=st.dictionaries(st.text(max_size=8), st.binary(max_size=8), max_size=3), data=st.binary()
)


@given(st.lists(payloads, max_size=4))
async def test_every_payload_comes_back_as_it_was(originals: list[Payload]) -> None:
    codec = codec_with(NEW)
    assert await codec.decode(await codec.encode(originals)) == originals


async def test_an_encrypted_payload_names_its_key_and_nothing_of_its_content() -> None:
    encrypted = await encrypt(NEW)

    assert dict(encrypted.metadata) == {
        "encoding": b"binary/encrypted",
        "encryption-key-id": PayloadEncryptor([NEW]).key_id.encode(),
    }
    assert b"0000001" not in encrypted.data
    assert b"json" not in encrypted.data
    assert NEW.encode() not in encrypted.SerializeToString()


async def test_the_same_payload_is_never_encrypted_to_the_same_bytes() -> None:
    assert (await encrypt(NEW)).data != (await encrypt(NEW)).data


async def test_after_a_rotation_older_payloads_are_read_and_new_ones_use_the_new_key() -> None:
    rotated = codec_with(NEW, OLD)
    assert await rotated.decode([await encrypt(OLD), await encrypt(NEW), PLAIN]) == [PLAIN] * 3
    [written] = await rotated.encode([PLAIN])
    assert await codec_with(NEW).decode([written]) == [PLAIN]


async def test_an_unknown_key_is_named_with_the_setting() -> None:
    encrypted = await encrypt(OLD)
    with pytest.raises(ConfigurationError) as caught:
        await codec_with(NEW).decode([encrypted])
    assert PayloadEncryptor([OLD]).key_id in str(caught.value)
    assert "AUTOS_PAYLOAD_KEY" in str(caught.value)
    assert OLD not in str(caught.value)
    assert NEW not in str(caught.value)


@pytest.mark.parametrize("position", [0, 11, 12, -1])
async def test_a_changed_byte_is_noticed(position: int) -> None:
    encrypted = await encrypt(NEW)
    data = bytearray(encrypted.data)
    data[position] ^= 1
    encrypted.data = bytes(data)
    with pytest.raises(ConfigurationError, match="was changed"):
        await codec_with(NEW).decode([encrypted])


@pytest.mark.parametrize("length", [0, 5, 12, 20])
async def test_a_truncated_payload_is_noticed(length: int) -> None:
    encrypted = await encrypt(NEW)
    encrypted.data = encrypted.data[:length]
    with pytest.raises(ConfigurationError, match="was changed"):
        await codec_with(NEW).decode([encrypted])


def test_what_stands_beside_the_content_is_authenticated() -> None:
    encryptor = PayloadEncryptor([NEW])
    encrypted = encryptor.encrypt(b"content", b"context")
    assert encryptor.decrypt(encryptor.key_id, encrypted, b"context") == b"content"
    with pytest.raises(ConfigurationError, match="was changed"):
        encryptor.decrypt(encryptor.key_id, encrypted, b"another context")


@pytest.mark.parametrize(
    "key",
    ["", "short", "ä" * 44, "!" + NEW, NEW[:-2], base64.b64encode(os.urandom(16)).decode()],
    ids=["empty", "short text", "not ASCII", "not base64", "cut off", "16 bytes"],
)
def test_what_is_no_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_PAYLOAD_KEY must be") as caught:
        PayloadEncryptor([NEW, key])
    assert not key or key not in str(caught.value)


async def test_without_keys_the_same_bytes_are_written_as_by_the_sdk() -> None:
    values = ["text", 1, None, b"bytes", {"a": [1]}]
    assert await create_data_converter(None).encode(values) == await DataConverter.default.encode(values)


async def test_without_keys_an_encrypted_payload_is_refused_with_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_PAYLOAD_KEY is not set") as caught:
        await create_data_converter(None).decode([await encrypt(NEW)])
    assert PayloadEncryptor([NEW]).key_id in str(caught.value)


async def test_the_text_and_the_stack_of_a_failure_are_encrypted_and_its_type_is_not() -> None:
    converter = create_data_converter(PayloadEncryptor([NEW]))
    try:
        raise ApplicationError("the text", "a detail", type="the_type")
    except ApplicationError as raised:
        error = raised
    failure = Failure()

    await converter.encode_failure(error, failure)

    stored = failure.SerializeToString()
    assert b"the_type" in stored
    assert not any(text in stored for text in (b"the text", b"a detail", b"test_payload_codec"))
    read = await converter.decode_failure(failure)
    assert isinstance(read, ApplicationError)
    assert (read.message, list(read.details), read.type) == ("the text", ["a detail"], "the_type")


async def test_the_codec_for_programs_speaks_temporals_json() -> None:
    codec = JsonCodec(codec_with(NEW))
    sent = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": base64.b64encode(b'"x"').decode()}
    encrypted = await codec.encode([sent])
    assert base64.b64decode(encrypted[0]["metadata"]["encoding"]) == b"binary/encrypted"
    assert await codec.decode([*encrypted, sent]) == [sent, sent]
    assert await codec.decode([]) == []


async def test_the_codec_for_programs_names_an_unknown_key() -> None:
    encrypted = await JsonCodec(codec_with(OLD)).encode([{"data": ""}])
    with pytest.raises(InvalidInput, match="AUTOS_PAYLOAD_KEY has only"):
        await JsonCodec(codec_with(NEW)).decode(encrypted)


@pytest.mark.parametrize("payload", [{"metadata": 1}, {"data": "x"}, {"metadata": {"encoding": {}}}])
async def test_the_codec_for_programs_refuses_what_is_no_payload(payload: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="not payloads"):
        await JsonCodec(codec_with(NEW)).decode([payload])
