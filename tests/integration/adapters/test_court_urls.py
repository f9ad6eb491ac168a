"""The portal's URLs: hrefs are relative to its API, and the token goes nowhere else."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from httpx2 import URL
from hypothesis import given
from hypothesis import strategies as st

from adapters.court_pdpj.urls import CourtUrls
from domain.errors import DocumentFailure, FailureCode
from domain.process_number import ProcessNumber

ORIGIN = "https://portaldeservicos.pdpj.jus.br"
NUMBER = ProcessNumber.parse("1000001-51.2026.8.11.0041")
DOCUMENT = f"/processos/{NUMBER}/documentos/0f1e2d3c-4b5a-5678-9abc-def012345678/binario"
URLS = CourtUrls(ORIGIN)

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
    # Names in Punycode: the first one stands for no name that there could be.
    "https://xn--a.example/processos/1",
    "https://xn--portaldeservios-2hb.pdpj.jus.br/processos/1",
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
    assert URLS.resolve_document(href) == url


@pytest.mark.parametrize("href", FOREIGN)
def test_an_href_that_leads_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(DocumentFailure) as refused:
        URLS.resolve_document(href)
    assert refused.value.code in (FailureCode.FOREIGN_ADDRESS, FailureCode.NO_CONTENT_ADDRESS)


WITH_ALLOWED_HOSTS = CourtUrls(ORIGIN, {"api-processo.data-lake.pdpj.jus.br", "Lake.example:8443"})


@pytest.mark.parametrize("host", ["api-processo.data-lake.pdpj.jus.br", "lake.example:8443", "LAKE.example:8443"])
def test_an_href_may_lead_to_an_allowed_host(host: str) -> None:
    assert (
        WITH_ALLOWED_HOSTS.resolve_document(f"https://{host}/documentos/1")
        == f"https://{host.lower()}/documentos/1"
    )


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
def test_an_allowed_host_allows_no_other(href: str) -> None:
    with pytest.raises(DocumentFailure) as refused:
        WITH_ALLOWED_HOSTS.resolve_document(href)
    assert refused.value.code in (FailureCode.FOREIGN_ADDRESS, FailureCode.NO_CONTENT_ADDRESS)


def test_a_court_without_tls_may_allow_hosts_without_tls() -> None:
    local = CourtUrls("http://127.0.0.1:8900", {"127.0.0.1:8901"})
    for scheme in ("http", "https"):
        assert local.resolve_document(f"{scheme}://127.0.0.1:8901/1") == f"{scheme}://127.0.0.1:8901/1"


OUT_OF_THE_API = (
    "/../../auth/admin",
    "/api/v2/../../auth/admin",
    "/processos/../../../auth/admin",
    "/%2e%2e/%2e%2e/auth/admin",
    "/processos/%2E%2E/%2e./auth",
    "/processos/%252e%252e/%252e%252e/auth",
    "/processos/..%2f..%2fauth",
    "/processos/..%5c..%5cauth",
    "/processos/..\\..\\auth",
    "/..;/..;/auth/admin",
    "/processos/..;x=1/..;y/..;/auth",
    "/processos/%2e%2e%3b/%2e.;/auth",
    "/processos/..%20/..%20/auth",
    "/processos/%c0%ae%c0%ae/%c0%ae%c0%ae/auth",
    "/processos/%7f",
    "/api/../auth/admin",
    "/api/v2",
    "/api/admin/1",
    "//processos/1",
    "/processos//evil.example/1",
    "/processos/1#/binario",
    f"{ORIGIN}/auth/admin",
    f"{ORIGIN}/api/v2/../../auth/admin",
    f"{ORIGIN}/api/v2/%2e%2e/%2e%2e/auth",
)


@pytest.mark.parametrize("href", OUT_OF_THE_API)
def test_an_href_that_leads_out_of_the_api_is_refused(href: str) -> None:
    with pytest.raises(DocumentFailure) as refused:
        URLS.resolve_document(href)
    assert refused.value.code is FailureCode.FOREIGN_ADDRESS


hostile = st.text() | st.text("/\\:@.;#?[]%25cefE\t portal", max_size=40)
hrefs = hostile | hostile.map("https://portal".__add__) | hostile.map(f"{ORIGIN}/api/v2/".__add__)


@given(hrefs)
def test_whatever_the_href_the_token_stays_within_the_api(href: str) -> None:
    try:
        url = URL(URLS.resolve_document(href))
    except DocumentFailure as refused:
        assert refused.code in (FailureCode.FOREIGN_ADDRESS, FailureCode.NO_CONTENT_ADDRESS)  # noqa: PT017
    else:
        assert (url.scheme, url.host, url.port, url.userinfo) == ("https", URL(ORIGIN).host, None, b"")
        path = url.raw_path.partition(b"?")[0].decode()
        for _ in range(5):
            assert path.startswith("/api/v")
            assert ".." not in [segment.partition(";")[0] for segment in path.split("/")]
            assert "\\" not in path
            path = unquote(path)


def test_details_and_search_name_the_process() -> None:
    assert URLS.details_url(NUMBER) == f"{ORIGIN}/api/v2/processos/1000001-51.2026.8.11.0041"
    assert URLS.search_url(NUMBER) == f"{ORIGIN}/api/v2/processos?numeroProcesso=10000015120268110041"


def test_a_slash_after_the_origin_does_not_matter() -> None:
    assert CourtUrls(f"{ORIGIN}/").details_url(NUMBER) == URLS.details_url(NUMBER)
