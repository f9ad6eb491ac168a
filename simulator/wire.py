"""Sending of responses: complete, slowly, truncated, or with a broken connection."""

from __future__ import annotations

import asyncio
import socket
import struct
from asyncio import Transport
from typing import Any

from starlette.types import Receive, Scope, Send

from simulator.files import CHUNK
from simulator.responses import CourtResponse, Ending

_TRANSPORT = "simulator.transport"
_SLOW_PIECES = 8
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def save_transport(scope: Scope, send: Send) -> None:
    """Save the connection's transport in the scope. ``send`` must be the server's own, not a wrapper."""
    cycle: Any = getattr(send, "__self__", None)
    scope[_TRANSPORT] = getattr(cycle, "transport", None)


async def transmit(response: CourtResponse, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send a response. Returns whether its complete body was sent to a client that was still connected."""
    transport: Transport | None = scope.get(_TRANSPORT)
    total = len(response.body)
    to_send = total if response.sent is None else response.sent
    broken = response.ending is not Ending.COMPLETE
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": _encode_headers(response, total if broken else to_send),
        }
    )
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body"})
        return False

    slow_piece = max(1, -(-total // _SLOW_PIECES))
    step = CHUNK if response.piece_delay is None else min(slow_piece, CHUNK)
    in_one_piece = total <= step and not broken
    sent, pause_at = 0, slow_piece
    for piece in response.body.pieces(to_send, step):
        if response.piece_delay and sent >= pause_at:
            await asyncio.sleep(response.piece_delay)
            pause_at += slow_piece
        if _is_closed(transport):
            await _wait_for_disconnect(receive)
            return False
        await send({"type": "http.response.body", "body": piece, "more_body": not in_one_piece})
        sent += len(piece)
    if broken:
        await _break_connection(response.ending, transport, receive)
        return False
    if not in_one_piece or not to_send:
        # Returns once the client has received most of the body, or has disconnected.
        await send({"type": "http.response.body", "more_body": True})
        if _is_closed(transport):
            await _wait_for_disconnect(receive)
            return False
        await send({"type": "http.response.body"})
    return to_send == total


def _encode_headers(response: CourtResponse, length: int) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-length", b"%d" % length)]
    if response.media_type is not None:
        headers.append((b"content-type", response.media_type.encode("ascii")))
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in response.headers]
    return headers


def _is_closed(transport: Transport | None) -> bool:
    return transport is not None and transport.is_closing()


async def _break_connection(ending: Ending, transport: Transport | None, receive: Receive) -> None:
    if transport is None:
        raise ConnectionResetError("the simulator breaks the connection here")
    if ending is Ending.RESET:
        # An abort discards what the kernel does not have yet, but the client must see the start of the body.
        await asyncio.sleep(0)
        while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.001)
        connection: socket.socket | None = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    await _wait_for_disconnect(receive)


async def _wait_for_disconnect(receive: Receive) -> None:
    # The server reports an unfinished response as an error, unless it has seen the disconnect.
    while (await receive())["type"] != "http.disconnect":
        pass
