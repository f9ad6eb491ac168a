"""A server's certificate is trusted by the system's authorities, or by those of SSL_CERT_FILE instead."""

from __future__ import annotations

import asyncio

import pytest

from adapters.court_pdpj import TokenRefreshClient
from adapters.webhooks import Reply
from autos_client import AsyncAutos, Autos, NoAnswer, UnexpectedAnswer
from domain.errors import CourtFailure, FailureCode
from domain.process_number import ProcessNumber
from tests.integration.adapters.test_court_requests import FOUND, open_client
from tests.integration.adapters.test_webhook_sender import open_sender, send
from tests.support.certificates import Authority
from tests.support.court_rate_limiters import CountingRateLimiter
from tests.support.portal_json import NUMBER
from tests.support.scripted_server import always, answer, by_path, scripted

PROCESS = ProcessNumber.parse(NUMBER)
TOKENS = answer(200, b'{"access_token": "a", "refresh_token": "b"}')
UNKNOWN = "unable to get local issuer certificate"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that this machine does not know."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The same authority, which clients made in this test trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    return authority


async def capture_court_failure(origin: str) -> CourtFailure:
    """Return the failure of asking the court."""
    async with open_client(origin) as court:
        with pytest.raises(CourtFailure) as failed:
            await court.probe(PROCESS)
    return failed.value


async def test_a_court_of_an_unknown_authority_gets_no_request(authority: Authority) -> None:
    async with scripted(always(FOUND), tls=authority.create_server_context()) as portal:
        failure = await capture_court_failure(portal.origin)

    assert (failure.code, portal.requests) == (FailureCode.COURT_UNAVAILABLE, [])
    assert failure.answer == (
        f"The certificate of the court is not trusted ({UNKNOWN}); see SSL_CERT_FILE in docs/operations.md."
    )


async def test_a_court_of_an_authority_in_ssl_cert_file_is_asked(trusted: Authority) -> None:
    async with (
        scripted(always(FOUND), tls=trusted.create_server_context()) as portal,
        open_client(portal.origin) as court,
    ):
        await court.probe(PROCESS)

    assert len(portal.requests) == 1


async def test_an_expired_certificate_is_named_as_such(trusted: Authority) -> None:
    async with scripted(always(FOUND), tls=trusted.create_server_context(expired=True)) as portal:
        failure = await capture_court_failure(portal.origin)

    assert "(certificate has expired)" in failure.answer
    assert portal.requests == []


async def test_a_sign_in_is_asked_only_with_a_trusted_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(by_path({"/realm": TOKENS}), tls=authority.create_server_context()) as realm:
        refusing = TokenRefreshClient(f"{realm.origin}/realm", "autos", rate_limiter=CountingRateLimiter())
        with pytest.raises(CourtFailure, match=f"of the sign-in is not trusted .{UNKNOWN}."):
            await refusing.renew("a-refresh-token")
        await refusing.close()
        assert realm.requests == []

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        trusting = TokenRefreshClient(f"{realm.origin}/realm", "autos", rate_limiter=CountingRateLimiter())
        renewed = await trusting.renew("a-refresh-token")
        await trusting.close()

    assert renewed.refresh_token == "b"


async def test_an_event_is_sent_only_to_a_trusted_certificate(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scripted(always(answer(204)), tls=authority.create_server_context()) as receiver:
        refused = await send(f"{receiver.origin}/hook")
        async with open_sender() as sender:
            explained = await sender.ask_origin(receiver.origin)
        assert receiver.requests == []

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        sent = await send(f"{receiver.origin}/hook")

    # Who registered the address learns nothing from the event's error; the operator does.
    assert refused == Reply(error="destination refused or unreachable")
    assert explained == Reply(error=f"certificate: {UNKNOWN}")
    assert (sent.status_code, len(receiver.requests)) == (204, 1)


async def test_the_clients_trust_the_authorities_of_ssl_cert_file(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_overview(origin: str) -> None:
        with Autos(origin, patience=0) as autos:
            autos.court_status()

    async with scripted(always(answer(404)), tls=authority.create_server_context()) as api:
        with pytest.raises(NoAnswer, match=f"is not trusted .{UNKNOWN}.*SSL_CERT_FILE") as failed:
            await asyncio.to_thread(read_overview, api.origin)
        async with AsyncAutos(api.origin, patience=0) as autos:
            with pytest.raises(NoAnswer, match=UNKNOWN):
                await autos.court_status()
        assert api.requests == []
        assert (failed.value.__cause__, failed.value.__context__) == (None, None)

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        async with AsyncAutos(api.origin, patience=0) as autos:
            with pytest.raises(UnexpectedAnswer):
                await autos.court_status()

    assert len(api.requests) == 1
