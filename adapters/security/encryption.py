"""Authenticated encryption: of the secrets in the database (Fernet), and of what Temporal stores (AES-256-GCM)."""

from __future__ import annotations

import base64
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import ConfigurationError

_KEY_BYTES = 32
_NONCE_BYTES = 12
_KEY_ID_DIGITS = 16


class Encryptor:
    """Encrypts and decrypts texts, with key rotation.

    Args:
        keys: Fernet keys (URL-safe base64 of 32 bytes), the newest first. The first key encrypts, and all keys
            decrypt. To rotate, put a new key before the old one.

    Raises:
        ConfigurationError: One of the keys is not a Fernet key.
    """

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigurationError(
                "AUTOS_SECRET_KEY must be the URL-safe base64 of 32 bytes, or several of them separated by commas."
            ) from None

    def encrypt(self, secret: str) -> str:
        """Encrypt a text with the newest key."""
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, encrypted: str) -> str:
        """Decrypt a text.

        Raises:
            ConfigurationError: It was encrypted with a key that is not configured.
        """
        try:
            return self._fernet.decrypt(encrypted.encode()).decode()
        except InvalidToken:
            raise ConfigurationError(
                "The court's stored credentials were encrypted with another AUTOS_SECRET_KEY: add that key after "
                "the new one, separated by a comma, or provide the credentials again (`autos court login`)."
            ) from None


class PayloadEncryptor:
    """Encrypts and decrypts the payloads that Temporal stores, with AES-256-GCM and key rotation.

    A key's id is derived from the key, so it need not be chosen, and the same key has the same id everywhere.

    Args:
        keys: Keys (URL-safe base64 of 32 bytes), the newest first. The first key encrypts, and all keys decrypt.

    Raises:
        ConfigurationError: One of the keys is not such a key, or there is none.
    """

    def __init__(self, keys: list[str]) -> None:
        ciphers = {_key_id(key): AESGCM(key) for key in map(_read_payload_key, keys)}
        if not ciphers:
            raise ConfigurationError("AUTOS_PAYLOAD_KEY has no key.")
        self._ciphers = ciphers
        self.key_ids = tuple(ciphers)

    @property
    def key_id(self) -> str:
        """The id of the key that encrypts."""
        return self.key_ids[0]

    def encrypt(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt with the newest key and a random nonce, which the result begins with.

        Args:
            plain: The content.
            context: What is stored beside it in the clear. Decrypting succeeds only with the same.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[self.key_id].encrypt(nonce, plain, context)

    def decrypt(self, key_id: str, encrypted: bytes, context: bytes) -> bytes:
        """Decrypt what the key with this id has encrypted.

        Raises:
            ConfigurationError: There is no key with this id, or the content or its context was changed.
        """
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise ConfigurationError(
                f"A payload in Temporal was encrypted with the key {key_id[:64]!r}, and AUTOS_PAYLOAD_KEY has only "
                f"{', '.join(self.key_ids)}: add that key after the first one, separated by a comma."
            )
        try:
            return cipher.decrypt(encrypted[:_NONCE_BYTES], encrypted[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise ConfigurationError(
                f"A payload in Temporal that names the key {key_id} of AUTOS_PAYLOAD_KEY was changed after it was "
                "encrypted."
            ) from None


def _read_payload_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, altchars=b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigurationError(
            "AUTOS_PAYLOAD_KEY must be the URL-safe base64 of 32 bytes, or several of them separated by commas."
        )
    return key


def _key_id(key: bytes) -> str:
    return sha256(b"autos payload key\0" + key).hexdigest()[:_KEY_ID_DIGITS]
