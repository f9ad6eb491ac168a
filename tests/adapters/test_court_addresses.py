"""Where things are at the portal; hrefs are relative to its API, and the token goes nowhere else."""

from __future__ import annotations

import pytest
from httpx import URL
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj.addresses import Addresses
from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber

ORIGIN = "https://portaldeservicos.pdpj.jus.br"
NUMBER = ProcessNumber.parse("1000001-51.2026.8.11.0041")
DOCUMENT = f"/processos/{NUMBER}/documentos/0f1e2d3c-4b5a-5678-9abc-def012345678/binario"
ADDRESSES = Addresses(ORIGIN)

FOREIGN = (
    "//evil.example/processos/1",
    "//portaldeservicos.pdpj.jus.br/processos/1",
    "https://evil.example/processos/1",
    "http://portaldeservicos.pdpj.jus.br/processos/1",
    "https://portaldeservicos.pdpj.jus.br.evil.example/1",
    "https://portaldeservicos.pdpj.jus.br@evil.example/1",
    "https://user:word@portaldeservicos.pdpj.jus.br/1",
    "https://portaldeservicos.pdpj.jus.br:8443/1",
    "https://portaldeservicos.pdpj.jus.br",
    "https://portaldeservicos.pdpj.jus.br\\@evil.example/1",
    "https://[evil",
    "https://[::1]:x/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "processos/1",
    "\\\\evil.example\\1",
    "?x=1",
    "#x",
    "",
)


@pytest.mark.parametrize(
    ("href", "url"),
    [
        (DOCUMENT, f"{ORIGIN}/api/v2{DOCUMENT}"),
        (f"/api/v2{DOCUMENT}", f"{ORIGIN}/api/v2{DOCUMENT}"),
        (f"/api/v3{DOCUMENT}", f"{ORIGIN}/api/v3{DOCUMENT}"),
        (f"{ORIGIN}/api/v2{DOCUMENT}", f"{ORIGIN}/api/v2{DOCUMENT}"),
        ("/apicultura/1", f"{ORIGIN}/api/v2/apicultura/1"),
    ],
)
def test_an_href_is_resolved_against_the_api(href: str, url: str) -> None:
    assert ADDRESSES.document(href) == url


@pytest.mark.parametrize("href", FOREIGN)
def test_an_href_that_leads_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(DocumentFailure) as refused:
        ADDRESSES.document(href)
    assert refused.value.code is FailureCode.FOREIGN_ADDRESS


LISTED = Addresses(ORIGIN, {"api-processo.data-lake.pdpj.jus.br", "Lake.example:8443"})


@pytest.mark.parametrize("host", ["api-processo.data-lake.pdpj.jus.br", "lake.example:8443", "LAKE.example:8443"])
def test_an_href_may_lead_to_a_listed_host(host: str) -> None:
    assert LISTED.document(f"https://{host}/documentos/1") == f"https://{host}/documentos/1"


@pytest.mark.parametrize(
    "href",
    [
        *FOREIGN,
        "http://api-processo.data-lake.pdpj.jus.br/1",
        "https://api-processo.data-lake.pdpj.jus.br:8443/1",
        "https://api-processo.data-lake.pdpj.jus.br",
        "https://user@api-processo.data-lake.pdpj.jus.br/1",
        "https://api-processo.data-lake.pdpj.jus.br.evil.example/1",
        "https://api-processo.data-lake.pdpj.jus.br\\@evil.example/1",
        "https://api-processo.data-lake\t.pdpj.jus.br/1",
        "https://lake.example/1",
        "//lake.example:8443/1",
    ],
)
def test_a_listed_host_lists_no_other(href: str) -> None:
    with pytest.raises(DocumentFailure) as refused:
        LISTED.document(href)
    assert refused.value.code is FailureCode.FOREIGN_ADDRESS


def test_a_court_without_encryption_may_list_hosts_without() -> None:
    local = Addresses("http://127.0.0.1:8900", {"127.0.0.1:8901"})
    for scheme in ("http", "https"):
        assert local.document(f"{scheme}://127.0.0.1:8901/1") == f"{scheme}://127.0.0.1:8901/1"


@given(st.text() | st.text("/\\:@.#?[]%\t portal", max_size=30) | st.text().map("https://portal".__add__))
def test_no_href_leads_to_another_host(href: str) -> None:
    try:
        url = ADDRESSES.document(href)
    except DocumentFailure as refused:
        assert refused.code is FailureCode.FOREIGN_ADDRESS  # noqa: PT017 - either outcome is right.
    else:
        assert url.startswith(f"{ORIGIN}/")


@pytest.mark.parametrize("href", ["/\\evil.example/1", "/@evil.example/1", "/x/..//evil.example", "/.evil.example"])
def test_the_client_agrees_on_the_host(href: str) -> None:
    url = URL(ADDRESSES.document(href))
    assert (url.scheme, url.host, url.userinfo) == ("https", "portaldeservicos.pdpj.jus.br", b"")


def test_details_and_search_name_the_process() -> None:
    assert ADDRESSES.details(NUMBER) == f"{ORIGIN}/api/v2/processos/1000001-51.2026.8.11.0041"
    assert ADDRESSES.search(NUMBER) == f"{ORIGIN}/api/v2/processos?numeroProcesso=10000015120268110041"


def test_a_slash_behind_the_origin_does_not_matter() -> None:
    assert Addresses(f"{ORIGIN}/").details(NUMBER) == ADDRESSES.details(NUMBER)
