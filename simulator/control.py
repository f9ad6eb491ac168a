"""The control API, ``/_simulator``: configure the court's behaviour and read its counts."""

from __future__ import annotations

from dataclasses import asdict

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator import control_requests
from simulator.case import Case
from simulator.court import Court
from simulator.orders import read_order


class BrowserRequestGuard:
    """CSRF guard: middleware that responds with 403 to requests from web pages.

    The control API needs no token, so otherwise any page could control the simulator. Browsers send the page's
    origin in headers that pages cannot change. Programs send neither header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it comes from a web page."""
        app = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            # Browsers send "none" when a person typed the address.
            if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
                app = JSONResponse({"error": "Web pages may not control the simulator."}, status_code=403)
        await app(scope, receive, send)


def routes(court: Court) -> Mount:
    """Return the control routes."""

    async def put_process(request: Request) -> Response:
        number = control_requests.read_number(request.path_params["number"])
        case = court.set_shape(number, control_requests.read_shape(number, await request.body()))
        shape = asdict(case.shape)
        del shape["twins"], shape["history"]
        return JSONResponse({"number": number.canonical, **shape, "document_ids": _document_ids(case)})

    async def post_order(request: Request) -> Response:
        number = control_requests.read_number(request.path_params["number"])
        order = read_order(await request.body())
        case = order(court, number)
        return JSONResponse({"number": number.canonical, "document_ids": _document_ids(case)})

    async def post_fault(request: Request) -> Response:
        return JSONResponse({"id": court.faults.add(control_requests.read_fault(await request.body()))})

    async def delete_faults(request: Request) -> Response:
        court.faults.clear()
        return Response(status_code=204)

    async def delete_fault(request: Request) -> Response:
        fault_id = request.path_params["fault_id"]
        if not court.faults.remove(fault_id):
            raise HTTPException(404, f"There is no fault {fault_id}.")
        return Response(status_code=204)

    async def put_latency(request: Request) -> Response:
        court.latency = control_requests.read_latency(await request.body())
        return JSONResponse({"seconds": court.latency})

    async def post_token(request: Request) -> Response:
        lifetime, revokes_others = control_requests.read_token_request(await request.body())
        grant = court.tokens.replace_all(lifetime) if revokes_others else court.tokens.issue(lifetime)
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
            Route("/processes/{number}/orders", post_order, methods=["POST"]),
            Route("/faults", post_fault, methods=["POST"]),
            Route("/faults", delete_faults, methods=["DELETE"]),
            Route("/faults/{fault_id}", delete_fault, methods=["DELETE"]),
            Route("/latency", put_latency, methods=["PUT"]),
            Route("/token", post_token, methods=["POST"]),
            Route("/stats", get_stats, methods=["GET"]),
            Route("/stats", delete_stats, methods=["DELETE"]),
        ],
        middleware=[Middleware(BrowserRequestGuard)],
    )


def _document_ids(case: Case) -> list[str]:
    return [document.id for document in case.documents]


def invalid_request(request: Request, error: Exception) -> Response:
    """Respond with 422 and the reason."""
    return JSONResponse({"error": str(error)}, status_code=422)


def http_error(request: Request, error: Exception) -> Response:
    """Respond to an unknown path or method, in JSON."""
    if not isinstance(error, HTTPException):
        raise error
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
