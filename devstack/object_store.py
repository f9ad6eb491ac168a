"""SeaweedFS for the local stack: one S3 endpoint that requires signatures, and nothing else open.

``weed mini`` runs several servers in one program. By default the internal ones (master, volume server, filer,
admin) serve anybody on the loopback interface, with ``Access-Control-Allow-Origin: *``: a web page could read and
delete objects through them, without S3's signatures. Here they require mutual TLS with a certificate that only they
have.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack.ports import LOOPBACK, S3_INTERNAL
from domain.storage import StorageAddress

# The servers that use gRPC and those that use HTTP, by their names in SeaweedFS's settings.
_GRPC_ROLES = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "WORKER", "CLIENT", "MSG_BROKER", "MSG_AGENT", "MQ")
_HTTPS_ROLES = ("MASTER", "VOLUME", "FILER", "ADMIN", "CLIENT")
_LIFETIME = timedelta(days=3650)
# No page has this origin, because nothing can listen on port 0. Empty would allow every origin.
_NO_ORIGIN = f"http://{LOOPBACK}:0"


def mini_arguments(
    folder: Path, *, bucket: str, s3_port: int, internal_ports: Mapping[str, int]
) -> tuple[str, ...]:
    """Return the arguments of ``weed`` for a store that can be reached through S3 only.

    Args:
        folder: where the objects are stored.
        bucket: created at start if it is missing.
        s3_port: the port of S3.
        internal_ports: the port of each flag in ``S3_INTERNAL``.

    Raises:
        ValueError: a port is missing.
    """
    if internal_ports.keys() != set(S3_INTERNAL):
        raise ValueError(
            "Every internal port must be given: SeaweedFS opens a missing one on a port of its choice."
        )
    return (
        *("-logtostderr=true", "mini", f"-dir={folder}", f"-bucket={bucket}"),
        *(f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-s3.port={s3_port}"),
        *(f"-{name}={port}" for name, port in internal_ports.items()),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false"),
        "-master.telemetry=false",
        # The filer and the master then use gRPC only.
        "-disableHttp",
        # No key management through S3's port, and no web page can read S3's responses.
        *("-s3.iam=false", f"-s3.allowedOrigins={_NO_ORIGIN}"),
    )


def mutual_tls(folder: Path) -> dict[str, str]:
    """Create a certificate for the internal servers. Return the variables that make them require it.

    The certificate is self-signed and new at each start. Only the owner can read its key.

    Args:
        folder: where the certificate and its key are written. Created if it is missing.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    private_key = ec.generate_private_key(ec.SECP256R1())
    _write_private(
        key,
        private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    _write_private(certificate, _self_signed(private_key).public_bytes(serialization.Encoding.PEM))
    variables = {"WEED_GRPC_CA": str(certificate), "WEED_HTTPS_CLIENT_ENABLED": "true"}
    for role in _GRPC_ROLES:
        variables |= {f"WEED_GRPC_{role}_CERT": str(certificate), f"WEED_GRPC_{role}_KEY": str(key)}
    for role in _HTTPS_ROLES:
        variables |= {
            f"WEED_HTTPS_{role}_CERT": str(certificate),
            f"WEED_HTTPS_{role}_KEY": str(key),
            f"WEED_HTTPS_{role}_CA": str(certificate),
        }
    return variables


def signed_bucket_request(address: StorageAddress) -> httpx2.Request:
    """Return a request that gets 200 if the bucket exists and these keys open it.

    Without a signature, S3 responds the same whether a bucket exists or not.
    """
    url = f"{address.endpoint_url}/{address.bucket}"
    request = AWSRequest("HEAD", url)
    credentials = Credentials(address.access_key_id or "", address.secret_access_key or "")
    S3SigV4Auth(credentials, "s3", address.region).add_auth(request)
    return httpx2.Request("HEAD", url, headers=dict(request.headers.items()))


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "autos local object store")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clock may be set back while the store runs.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")]
            ),
            critical=False,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
