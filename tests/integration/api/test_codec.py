"""The codec for Temporal's UI: who may use it, from which pages, and that it is off by default."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from cryptography.fernet import Fernet
from starlette.responses import Response

from adapters.database import Catalog, Database
from adapters.database.migrate import upgrade
from adapters.security.encryption import Encryptor
from api.app import create_app
from api.middleware.body_limit import MAX_BODY_BYTES
from api.pages.session import COOKIE, Sessions
from domain.clients import Scope
from domain.errors import ConfigurationError
from settings import load_settings
from tests.support.payload_keys import new_payload_key

KEY = "a key of sixteen characters"
PAYLOAD_KEY = new_payload_key()
SECRET_KEY = Fernet.generate_key().decode()
UI = "http://127.0.0.1:8233"
FROM_UI = {"Origin": UI, "X-Namespace": "default", "Sec-Fetch-Site": "same-site"}
OPERATOR = {"Authorization": f"Bearer {KEY}"}
PLAIN = {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": base64.b64encode(b'"x"').decode()}
BODY = {"payloads": [PLAIN]}


@asynccontextmanager
async def open_client(**settings: object) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client of an API with these settings and no service behind it."""
    values = {"api_key": KEY, "payload_key": PAYLOAD_KEY, "codec_origins": UI, "secret_key": SECRET_KEY, **settings}
    app = create_app(load_settings(**values))
    try:
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8000"
        ) as client:
            yield client
    finally:
        await app.state.catalog.close()


@pytest.fixture
async def api() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API whose codec is on."""
    async with open_client() as client:
        yield client


def session_cookie(key: str) -> dict[str, str]:
    """Return the header of a browser that has signed in to our page with this key."""
    response = Response()
    Sessions(Encryptor([SECRET_KEY]), "http://127.0.0.1:8000").begin(response, key)
    value = response.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")
    return {"Cookie": f"{COOKIE}={value}"}


async def test_payloads_are_encrypted_and_decrypted_for_an_operators_program(api: httpx2.AsyncClient) -> None:
    encoded = await api.post("/codec/encode", json=BODY, headers=OPERATOR)
    assert encoded.status_code == 200
    [payload] = encoded.json()["payloads"]
    assert base64.b64decode(payload["metadata"]["encoding"]) == b"binary/encrypted"

    decoded = await api.post("/codec/decode", json={"payloads": [payload, PLAIN]}, headers=OPERATOR)
    assert (decoded.status_code, decoded.json()) == (200, {"payloads": [PLAIN, PLAIN]})
    assert decoded.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in decoded.headers


@pytest.mark.parametrize("credentials", [OPERATOR, session_cookie(KEY)], ids=["key", "session"])
async def test_a_page_of_the_ui_may_use_a_key_or_the_session_of_our_page(
    api: httpx2.AsyncClient, credentials: dict[str, str]
) -> None:
    answer = await api.post("/codec/decode", json=BODY, headers=FROM_UI | credentials)
    assert (answer.status_code, answer.json()) == (200, BODY)
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    ["http://127.0.0.1:8234", "https://127.0.0.1:8233", "http://localhost:8233", f"{UI}.evil.example", "null"],
)
@pytest.mark.parametrize("credentials", [OPERATOR, session_cookie(KEY)], ids=["key", "session"])
async def test_a_page_of_another_origin_is_refused(
    api: httpx2.AsyncClient, origin: str, credentials: dict[str, str]
) -> None:
    answer = await api.post("/codec/decode", json=BODY, headers=FROM_UI | credentials | {"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
    assert "access-control-allow-origin" not in answer.headers


async def test_the_session_of_the_page_serves_the_ui_for_nothing_else(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/batches", json={}, headers=FROM_UI | session_cookie(KEY))
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_host")
    assert "access-control-allow-origin" not in answer.headers


async def test_without_a_key_nothing_is_decrypted_and_the_ui_can_read_why(api: httpx2.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer a wrong key of the right length"}):
        answer = await api.post("/codec/decode", json=BODY, headers=FROM_UI | headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["access-control-allow-origin"] == UI


async def test_only_keys_with_the_scope_admin_may_use_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    catalog = Catalog(Database(url), Encryptor([SECRET_KEY]))
    statuses: dict[Scope, set[int]] = {}
    try:
        async with open_client(database_url=url) as client:
            for scope in Scope:
                key = (await catalog.clients.add_key(f"client-{scope}", frozenset({scope}), None)).text
                for headers in ({"Authorization": f"Bearer {key}"}, session_cookie(key)):
                    answer = await client.post("/codec/decode", json=BODY, headers=FROM_UI | headers)
                    statuses.setdefault(scope, set()).add(answer.status_code)
    finally:
        await catalog.close()
    assert statuses == {Scope.READ: {403}, Scope.SEALED: {403}, Scope.DOWNLOAD: {403}, Scope.ADMIN: {200}}


async def test_a_deployment_without_keys_serves_programs_on_this_machine_and_no_page(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'autos.db'}"
    await asyncio.to_thread(upgrade, url)
    async with open_client(database_url=url, api_key=None) as client:
        assert (await client.post("/codec/decode", json=BODY)).status_code == 200
        assert (await client.post("/codec/decode", json=BODY, headers=FROM_UI)).status_code == 403
        assert (await client.post("/codec/decode", json=BODY, headers={"Host": "evil.example"})).status_code == 403


async def test_the_preflight_allows_what_the_ui_sends_and_needs_no_key(api: httpx2.AsyncClient) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-namespace",
    }
    answer = await api.options("/codec/decode", headers={"Origin": UI} | asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == UI
    assert answer.headers["access-control-allow-credentials"] == "true"
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert allowed >= {"authorization", "content-type", "x-namespace"}

    foreign = await api.options("/codec/decode", headers={"Origin": "http://evil.example"} | asked)
    assert (foreign.status_code, foreign.headers.get("access-control-allow-origin")) == (400, None)
    elsewhere = await api.options("/batches", headers={"Origin": UI} | asked)
    assert (elsewhere.status_code, elsewhere.headers.get("access-control-allow-origin")) == (204, None)


async def test_what_cannot_be_decrypted_is_a_problem_that_says_why(api: httpx2.AsyncClient) -> None:
    async with open_client(payload_key=new_payload_key()) as other:
        encoded = (await other.post("/codec/encode", json=BODY, headers=OPERATOR)).json()
    answer = await api.post("/codec/decode", json=encoded, headers=OPERATOR)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    key_id = base64.b64decode(encoded["payloads"][0]["metadata"]["encryption-key-id"]).decode()
    assert key_id in answer.json()["detail"]
    assert "AUTOS_PAYLOAD_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"[]", 422),
        (b'{"payloads": 1}', 422),
        (b'{"payloads": ["x"]}', 422),
        (b'{"payloads": [{"data": "x"}]}', 422),
        (b'{"payloads": ["' + b"x" * MAX_BODY_BYTES + b'"]}', 413),
    ],
    ids=["cut off", "a list", "a number", "a text", "no base64", "too large"],
)
async def test_other_bodies_are_refused(api: httpx2.AsyncClient, content: bytes, status: int) -> None:
    headers = OPERATOR | {"Content-Type": "application/json"}
    answer = await api.post("/codec/decode", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("off", [{"payload_key": ""}, {"codec_origins": ""}], ids=["no key", "no origin"])
async def test_without_keys_or_origins_there_is_no_codec(off: dict[str, str]) -> None:
    async with open_client(**off) as client:
        answer = await client.post("/codec/decode", json=BODY, headers=FROM_UI | OPERATOR)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origins", ["*", "null", "temporal.example.org", f"{UI},https://x.example/path"])
async def test_what_is_no_origin_is_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ConfigurationError, match="AUTOS_CODEC_ORIGINS must be"):
        async with open_client(codec_origins=origins):
            pass


async def test_origins_are_compared_as_browsers_write_them() -> None:
    async with open_client(codec_origins="HTTPS://Temporal.Example.org:443/, http://[::1]:8233") as client:
        for origin in ("https://temporal.example.org", "http://[::1]:8233"):
            answer = await client.post("/codec/decode", json=BODY, headers=OPERATOR | {"Origin": origin})
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)


async def test_the_description_of_the_api_does_not_have_it(api: httpx2.AsyncClient) -> None:
    assert "codec" not in (await api.get("/openapi.json")).text
