"""Authenticated encryption (Fernet) of the secrets in the database."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.errors import ConfigurationError


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
