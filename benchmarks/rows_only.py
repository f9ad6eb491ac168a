"""The baseline of answers: an endpoint that reads a process's rows and returns them as JSON, and nothing else.

``python -m benchmarks.rows_only`` serves ``GET /rows/{number}`` over the stack's catalog with FastAPI and uvicorn,
set up as the API's, and prints one JSON line with its port; it ends when its standard input does. The rows are
those that an answer is made of: the process, the latest run, the counts by status, the first page of documents with
their instances. They are read in one transaction; no object is built of them and no link is signed.
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
    """The endpoint."""
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
        body = {"process": _dicts(process), "run": _dicts(run), "counts": _dicts(counts), "documents": _dicts(page)}
        return Response(json.dumps(body, default=str), media_type="application/json")

    return app


def _dicts(rows: Iterable[Row[Any]]) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in rows]


def main() -> None:
    """Serve until standard input ends."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=2048)) as listener:
        app = create_app(load_settings().effective_database_url)
        server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_config=None, server_header=False))

        def watch() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=watch, daemon=True).start()
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
