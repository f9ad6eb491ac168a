"""Routes: the codec for Temporal's UI and command. They exist only where the settings switch them on."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.deps import CodecAdministrator, CodecDep
from api.json_bodies import JsonRoute
from api.schemas.codec import PayloadsBody

# For operators, in a form that Temporal decides: no part of the API's description.
router = APIRouter(prefix="/codec", route_class=JsonRoute, include_in_schema=False)


@router.post("/decode", summary="Decrypt payloads of Temporal")
async def decode_payloads(client: CodecAdministrator, body: PayloadsBody, codec: CodecDep) -> dict[str, Any]:
    """Decrypt payloads. Plain ones are returned as they are."""
    return {"payloads": await codec.decode(body.payloads)}


@router.post("/encode", summary="Encrypt payloads for Temporal")
async def encode_payloads(client: CodecAdministrator, body: PayloadsBody, codec: CodecDep) -> dict[str, Any]:
    """Encrypt payloads, such as the argument of a signal that an operator sends."""
    return {"payloads": await codec.encode(body.payloads)}
