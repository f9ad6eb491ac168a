"""Answers on the wire: whole, dripping, cut short, or with the connection torn down under them."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import Transport
from typing import Any

from starlette.types import Receive, Scope, Send

from simulator.answers import Answer, Ending
from simulator.files import CHUNK

_TRANSPORT = "simulator.transport"
_DRIPS = 8
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def note_transport(scope: Scope, send: Send) -> None:
    """Keep the connection in the scope. Give it the server's own ``send``, which belongs to the connection."""
    cycle: Any = getattr(send, "__self__", None)
    scope[_TRANSPORT] = getattr(cycle, "transport", None)


async def transmit(answer: Answer, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send an answer; True when all of its body went out to a client that was still there."""
    transport: Transport | None = scope.get(_TRANSPORT)
    total = len(answer.body)
    left = total if answer.sent is None else answer.sent
    broken = answer.ending is not Ending.COMPLETE
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": _headers(answer, total if broken else left),
        }
    )
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body"})
        return False

    drip = max(1, -(-total // _DRIPS))
    step = CHUNK if answer.step_delay is None else min(drip, CHUNK)
    in_one_piece = total <= step and not broken
    sent, pause_at = 0, drip
    for piece in answer.body.pieces(left, step):
        if answer.step_delay and sent >= pause_at:
            await asyncio.sleep(answer.step_delay)
            pause_at += drip
        if _gone(transport):
            await _disconnected(receive)
            return False
        await send({"type": "http.response.body", "body": piece, "more_body": not in_one_piece})
        sent += len(piece)
    if broken:
        await _tear_down(answer.ending, transport, receive)
        return False
    if not in_one_piece or not left:
        # Returns once the client has taken most of what was sent, or has left.
        await send({"type": "http.response.body", "more_body": True})
        if _gone(transport):
            await _disconnected(receive)
            return False
        await send({"type": "http.response.body"})
    return left == total


def _headers(answer: Answer, length: int) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-length", b"%d" % length)]
    if answer.media_type is not None:
        headers.append((b"content-type", answer.media_type.encode("ascii")))
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
    return headers


def _gone(transport: Transport | None) -> bool:
    return transport is not None and transport.is_closing()


async def _tear_down(ending: Ending, transport: Transport | None, receive: Receive) -> None:
    if transport is None:
        raise ConnectionResetError("the simulator tears the connection down here")
    if ending is Ending.RESET:
        # An abort discards what is not yet with the kernel, and the client shall see the body begin.
        await asyncio.sleep(0)
        while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - no event tells.
            await asyncio.sleep(0.001)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    # The server calls an answer without an end a mistake, unless it has seen the connection go.
    while (await receive())["type"] != "http.disconnect":
        pass
