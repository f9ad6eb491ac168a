"""The simulator's own side, ``/_simulator``: order what the court shall do, and read what it saw."""

from __future__ import annotations

from dataclasses import asdict

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator import orders
from simulator.court import Court


class RefusePages:
    """Middleware that answers 403 to web pages: nobody needs a token here, and a page could order anything.

    Browsers say which page a request comes from and let no page change that. Programs send neither header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a program's request on."""
        app = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            # "none" is an address that a person has typed.
            if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
                app = JSONResponse({"error": "Web pages may not control the simulator."}, status_code=403)
        await app(scope, receive, send)


def routes(court: Court) -> Mount:
    """The control routes."""

    async def put_process(request: Request) -> Response:
        number = orders.read_number(request.path_params["number"])
        case = court.arrange(number, orders.read_shape(number, await request.body()))
        shape = asdict(case.shape)
        del shape["twins"]
        ids = [document.id for document in case.documents]
        return JSONResponse({"number": number.canonical, **shape, "document_ids": ids})

    async def post_fault(request: Request) -> Response:
        return JSONResponse({"id": court.faults.add(orders.read_fault(await request.body()))})

    async def delete_faults(request: Request) -> Response:
        court.faults.clear()
        return Response(status_code=204)

    async def delete_fault(request: Request) -> Response:
        fault_id = request.path_params["fault_id"]
        if not court.faults.remove(fault_id):
            raise HTTPException(404, f"There is no fault {fault_id}.")
        return Response(status_code=204)

    async def put_latency(request: Request) -> Response:
        court.latency = orders.read_latency(await request.body())
        return JSONResponse({"seconds": court.latency})

    async def post_token(request: Request) -> Response:
        grant = court.tokens.renew_all(orders.read_lifetime(await request.body()))
        return JSONResponse(
            {
                "token": grant.token,
                "refresh_token": grant.refresh_token,
                "expires_in": grant.expires_in,
            }
        )

    async def get_stats(request: Request) -> Response:
        return JSONResponse(court.stats.snapshot())

    async def delete_stats(request: Request) -> Response:
        court.stats.reset()
        return Response(status_code=204)

    return Mount(
        "/_simulator",
        routes=[
            Route("/processes/{number}", put_process, methods=["PUT"]),
            Route("/faults", post_fault, methods=["POST"]),
            Route("/faults", delete_faults, methods=["DELETE"]),
            Route("/faults/{fault_id}", delete_fault, methods=["DELETE"]),
            Route("/latency", put_latency, methods=["PUT"]),
            Route("/token", post_token, methods=["POST"]),
            Route("/stats", get_stats, methods=["GET"]),
            Route("/stats", delete_stats, methods=["DELETE"]),
        ],
        middleware=[Middleware(RefusePages)],
    )


def refuse(request: Request, error: Exception) -> Response:
    """Say why an order cannot be followed."""
    return JSONResponse({"error": str(error)}, status_code=422)


def decline(request: Request, error: Exception) -> Response:
    """Say that there is nothing of that name, or no such method, here."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
