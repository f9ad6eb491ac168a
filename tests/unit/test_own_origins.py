"""Which URLs a browser cannot tell from this API's own."""

from __future__ import annotations

import pytest
from fastapi import Request

from api.origins import Origins

ORIGINS = Origins("https://autos.example.com")


def request_to(host: str, scheme: str = "http") -> Request:
    """Return a request to a host."""
    return Request({"type": "http", "scheme": scheme, "headers": [(b"host", host.encode())]})


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://autos.example.com/bucket/key?X-Amz-Signature=1", True),
        ("https://AUTOS.example.com:443/", True),
        # The name under which the request came, whatever the public one is.
        ("http://inside:8000/bucket/key", True),
        ("https://s3.example.com/bucket/key", False),
        ("https://autos.example.com:9000/bucket/key", False),
        ("http://autos.example.com/bucket/key", False),
        ("http://inside:8333/bucket/key", False),
        # What is not understood might be ours.
        ("https://user@elsewhere/", True),
        ("ftp://elsewhere/", True),
        ("", True),
    ],
)
def test_own_urls(url: str, own: bool) -> None:
    assert ORIGINS.is_own_url(request_to("inside:8000"), url) is own


def test_all_names_of_this_machine_are_one() -> None:
    assert Origins("http://127.0.0.1:8000").is_own_url(request_to("localhost:8000"), "http://[::1]:8000/a")
