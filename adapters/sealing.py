"""Sealing secrets for the database, with authenticated encryption (Fernet)."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.errors import ConfigurationError


class Seal:
    """Seals texts, and opens what it or an earlier key has sealed.

    Args:
        keys: Fernet keys (URL-safe base64 of 32 bytes), the newest first: it seals; all of them open. So a key is
            changed by putting the new one before the old.

    Raises:
        ConfigurationError: a key is not one.
    """

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise ConfigurationError(
                "AUTOS_SECRET_KEY is not the URL-safe base64 of 32 bytes, or several with commas between them."
            ) from None

    def close(self, secret: str) -> str:
        """Seal a text."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Open a sealed text.

        Raises:
            ConfigurationError: it was sealed with a key that is not here.
        """
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise ConfigurationError(
                "The court's stored credentials were sealed with another AUTOS_SECRET_KEY: set that key behind the "
                "new one, with a comma between them, or bring the credentials again (`autos court login`)."
            ) from None
