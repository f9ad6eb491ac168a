"""A web server that runs the program in ``CGI_PROGRAM`` for each request, as CGI defines."""

from __future__ import annotations

import asyncio
import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def answer(request: Request) -> Response:
    """Return the program's response, or 500 if it fails."""
    body = await request.body()
    process = await asyncio.create_subprocess_exec(
        os.environ["CGI_PROGRAM"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "CONTENT_LENGTH": str(len(body)),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()},
        },
    )
    output, _ = await process.communicate(body)
    status, _, _ = output.partition(b"\r\n\r\n")
    if process.returncode or not status.startswith(b"Status: "):
        return Response(status_code=500)
    return Response(status_code=int(status.removeprefix(b"Status: ")))


app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
