"""The baseline of response times: an endpoint that reads a process's rows and returns them as JSON, nothing else.

``python -m benchmarks.rows_only`` serves ``GET /rows/{number}`` from the stack's catalog, with FastAPI and uvicorn
configured like the API's. It prints one JSON line with its port, and ends when its standard input does. The rows
are those of the API's response: the process, the latest run, the counts by status, the first page of documents with
their instances. They are read in one transaction. No objects are built from them and no link is signed.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Row, func, select
from starlette.responses import Response

from adapters.database.connections import open_engine
from adapters.database.tables import documents, instances, processes, runs
from settings import load_settings

_PAGE = 101


def create_app(database_url: str) -> FastAPI:
    """Create the application with its one endpoint."""
    engine = open_engine(database_url)
    app = FastAPI()

    @app.get("/rows/{number}")
    async def rows(number: str) -> Response:
        async with engine.connect() as connection:
            process = await connection.execute(select(processes).where(processes.c.number == number))
            run = await connection.execute(
                select(runs).where(runs.c.process_number == number).order_by(runs.c.started_at.desc()).limit(1)
            )
            counts = await connection.execute(
                select(
                    documents.c.status,
                    func.count().label("amount"),
                    func.sum(documents.c.size_bytes).label("bytes"),
                )
                .where(documents.c.process_number == number)
                .group_by(documents.c.status)
            )
            page = await connection.execute(
                select(
                    documents, instances.c.degree, instances.c.name.label("instance_name"), instances.c.court_unit
                )
                .join(instances, documents.c.instance_id == instances.c.id)
                .where(documents.c.process_number == number)
                .order_by(documents.c.position)
                .limit(_PAGE)
            )
        body = {
            "process": _to_dicts(process),
            "run": _to_dicts(run),
            "counts": _to_dicts(counts),
            "documents": _to_dicts(page),
        }
        return Response(json.dumps(body, default=str), media_type="application/json")

    return app


def _to_dicts(rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in rows]


def main() -> None:
    """Serve until standard input ends."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=2048)) as listener:
        app = create_app(load_settings().effective_database_url)
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_config=None, server_header=False))

        def stop_at_end_of_input() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=stop_at_end_of_input, daemon=True).start()
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
