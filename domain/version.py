"""The service's version. `pyproject.toml`, `autos --version`, the API's description and the worker read it here."""

VERSION = "0.1.0"
