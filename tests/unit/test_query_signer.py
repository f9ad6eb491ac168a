"""Signed URLs are those of botocore, whatever the key, the names, the region and the credentials."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from adapters.storage.query_signer import QuerySigner, response_parameters

# No lone surrogates: they have no UTF-8, and neither keys nor names of files have them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
keys = st.builds(ReadOnlyCredentials, tokens, texts.filter(bool), st.none() | tokens)
# Seconds since 1970.
moments = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
hosts = st.sampled_from(
    ["127.0.0.1", "[::1]", "s3.example.org", "autos.s3.sa-east-1.amazonaws.com", "S3.Example.Org"]
)
ports = st.sampled_from(["", ":80", ":443", ":8333"])
base_urls = st.builds(
    "{}://{}{}/{}".format, st.sampled_from(["http", "https"]), hosts, ports, st.sampled_from(["", "autos/"])
)
regions = st.sampled_from(["us-east-1", "sa-east-1", "eu-central-1", "garage"])


def sign_with_botocore(
    credentials: ReadOnlyCredentials,
    region: str,
    url: str,
    parameters: dict[str, str],
    signed_at: datetime,
    seconds: int,
) -> str:
    """Return the URL that botocore signs at this moment."""
    request = AWSRequest("GET", url, params=parameters)
    with patch("botocore.auth.get_current_datetime", return_value=signed_at):
        S3SigV4QueryAuth(credentials, "s3", region, expires=seconds).add_auth(request)
    return str(request.url)


@given(keys, regions, base_urls, texts, texts, texts, moments, st.integers(1, 604_800))
def test_a_signed_url_is_that_of_botocore(
    credentials: ReadOnlyCredentials,
    region: str,
    base_url: str,
    key: str,
    disposition: str,
    media_type: str,
    signed_at: datetime,
    seconds: int,
) -> None:
    ours = QuerySigner(credentials, region, base_url, signed_at, seconds).sign(
        key, response_parameters(content_disposition=disposition, content_type=media_type)
    )
    theirs = sign_with_botocore(
        credentials,
        region,
        base_url + quote(key, safe="/-_.~"),
        {"response-content-disposition": disposition, "response-content-type": media_type},
        signed_at,
        seconds,
    )
    if credentials.token is None:
        assert ours == theirs
    mine, other = urlsplit(ours), urlsplit(theirs)
    assert mine[:3] == other[:3]
    assert sorted(parse_qsl(mine.query, keep_blank_values=True)) == sorted(
        parse_qsl(other.query, keep_blank_values=True)
    )
