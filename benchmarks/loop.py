"""The baseline of throughput: a bare asyncio loop that lists a process and downloads it, and nothing else.

``python -m benchmarks.loop NUMBER WORKERS [WARM_UP_NUMBER]`` downloads the process, after the one for the warm-up,
and prints one JSON line: documents, bytes, seconds in total, and seconds of the listing. It uses the libraries of
the service (httpx2, streaming, hashing while reading; aioboto3, one put with its SHA-256) but none of its code. It
keeps no state, retries nothing and verifies only the length. Its clients are open before the clock starts.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from typing import Any

import aioboto3
import httpx2
from aiobotocore.config import AioConfig

from settings import Settings, load_settings

_PORTAL = "/api/v2"


class Loop:
    """Workers that take documents from one queue."""

    def __init__(self, settings: Settings, http: httpx2.AsyncClient, s3: Any, workers: int) -> None:
        self._settings = settings
        self._http = http
        self._s3 = s3
        self._workers = workers
        self._bytes = 0

    async def download(self, number: str) -> dict[str, float]:
        """Download a process. Returns the counts and the times in seconds."""
        self._bytes = 0
        begun = time.perf_counter()
        listing = (await self._http.get(f"{_PORTAL}/processos/{number}")).raise_for_status().json()
        listed = time.perf_counter()
        queue = [document["hrefBinario"] for document in listing[0]["tramitacaoAtual"]["documentos"]]
        documents = len(queue)
        await asyncio.gather(*(self._download_from(number, queue) for _ in range(self._workers)))
        return {
            "documents": documents,
            "bytes": self._bytes,
            "seconds": time.perf_counter() - begun,
            "listing_seconds": listed - begun,
        }

    async def _download_from(self, number: str, queue: list[str]) -> None:
        while queue:
            href = queue.pop()
            digest = hashlib.sha256()
            body = bytearray()
            async with self._http.stream("GET", _PORTAL + href) as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes():
                    digest.update(chunk)
                    body += chunk
            if len(body) != int(response.headers["content-length"]):
                raise ValueError(f"{href} is incomplete")
            await self._s3.put_object(
                Bucket=self._settings.s3_bucket,
                Key=f"loop/{number}/{href.split('/')[-2]}.pdf",
                Body=bytes(body),
                ContentType="application/pdf",
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            )
            self._bytes += len(body)


async def main(number: str, workers: int, warm_up: str | None) -> None:
    """Measure and print."""
    settings = load_settings()
    store = settings.storage_address
    token = settings.court_token.get_secret_value() if settings.court_token else ""
    config = AioConfig(
        max_pool_connections=workers,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with (
        httpx2.AsyncClient(
            base_url=settings.court_origin,
            headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
            timeout=60,
            trust_env=False,
            limits=httpx2.Limits(max_connections=workers, max_keepalive_connections=workers),
        ) as http,
        aioboto3.Session().client(
            "s3",
            endpoint_url=store.endpoint_url,
            region_name=store.region,
            aws_access_key_id=store.access_key_id,
            aws_secret_access_key=store.secret_access_key,
            config=config,
        ) as s3,
    ):
        loop = Loop(settings, http, s3, workers)
        if warm_up is not None:
            await loop.download(warm_up)
        print(json.dumps(await loop.download(number)), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
