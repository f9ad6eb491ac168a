"""A real S3 store for the tests: SeaweedFS from its package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from devstack.object_store import mini_arguments, mutual_tls, signed_bucket_request
from devstack.ports import LOOPBACK, S3_INTERNAL, free_ports
from domain.storage import StorageAddress

_BUCKET = "autos-tests"
# The store also accepts the bucket in the host's name: bucket.s3.test.
DOMAIN = "s3.test"
_START_SECONDS = 90.0


@contextmanager
def running_object_store(folder: Path) -> Iterator[StorageAddress]:
    """Run a store that keeps its data in a folder for as long as the block lasts, and yield its address."""
    s3_port, *internal = free_ports(1 + len(S3_INTERNAL))
    internal_ports = dict(zip(S3_INTERNAL, internal, strict=True))
    address = StorageAddress(
        bucket=_BUCKET,
        endpoint_url=f"http://{LOOPBACK}:{s3_port}",
        region="us-east-1",
        access_key_id="autos-tests",
        secret_access_key="a-synthetic-secret-of-the-tests",
    )
    command = [
        _find_weed(),
        *mini_arguments(folder, bucket=_BUCKET, s3_port=s3_port, internal_ports=internal_ports),
        f"-s3.domainName={DOMAIN}",
    ]
    keys = {
        "AWS_ACCESS_KEY_ID": str(address.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(address.secret_access_key),
        **mutual_tls(folder / "tls"),
    }
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={"HOME": str(folder), **keys}, stdout=output, stderr=output)
    try:
        _wait_until_ready(process, log, address)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # The store leaves Unix sockets behind; their folder cannot be configured.
        for port in (s3_port, *internal):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket.unlink(missing_ok=True)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, address: StorageAddress) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with httpx2.Client(trust_env=False, timeout=2) as http:
        while not _answers(http, signed_bucket_request(address)):
            output = log.read_text(errors="replace")[-2000:]
            assert process.poll() is None, f"weed ended with {process.returncode}: {output}"
            assert time.monotonic() < deadline, f"weed is not ready: {output}"
            time.sleep(0.05)


def _answers(http: httpx2.Client, request: httpx2.Request) -> bool:
    try:
        return http.send(request).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def _find_weed() -> str:
    beside_python = Path(sys.executable).parent / "weed"
    found = shutil.which(str(beside_python)) or shutil.which("weed")
    assert found is not None, "weed is missing: install autos with its extra [local]"
    return found
