"""Bodies of requests: JSON in UTF-8 and nothing else, decided once for all routes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any, NoReturn

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.problems.codes import ProblemCode
from api.problems.problem import Problem

_UTF_8_BOM = b"\xef\xbb\xbf"
_LONGEST_QUOTE = 64


class JsonRoute(APIRoute):
    """A route whose body is JSON. Every route with a body is one of these.

    A body of another media type is refused with 415 and one that is not strict JSON with 422, before the client is
    authenticated, as for a body that is too large. An empty body has no media type: routes whose body is optional
    accept it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, which gets the body parsed."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            body = await request.body()
            if not body:
                return await handle(request)
            _check_media_type(request)
            content = _parse(body)
            if content is None:
                raise _not_json("it is null. Send no body instead.")
            # Only the names: the values may be secrets.
            request.state.body_members = frozenset(content) if isinstance(content, dict) else frozenset()
            return await handle(_ParsedRequest(request, body, content))

        return handle_json


class _ParsedRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, body: bytes, content: object) -> None:
        super().__init__(request.scope, request.receive)
        self._bytes = body
        self._content = content

    async def body(self) -> bytes:
        return self._bytes

    async def json(self) -> Any:
        return self._content


class _NotStrictJsonError(ValueError):
    """The text has something that only lenient parsers accept."""


def _check_media_type(request: Request) -> None:
    values = request.headers.getlist("content-type")
    header = Message()
    header["Content-Type"] = values[0] if len(values) == 1 else ""
    subtype = header.get_content_subtype()
    is_json = header.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
    if not is_json or header.get_content_charset("utf-8") not in ("utf-8", "utf8"):
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            "The body has to be JSON in UTF-8. Send it with Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(
            ProblemCode.UNSUPPORTED_MEDIA_TYPE,
            "A compressed body is not accepted. Send it without Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )


def _parse(body: bytes) -> object:
    """Parse a body.

    Raises:
        Problem: 422, it is not JSON. The problem names the place.
    """
    if body.startswith(_UTF_8_BOM):
        raise _not_json("it begins with a byte order mark. Send it without.")
    try:
        return json.loads(body.decode(), object_pairs_hook=_to_object, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        detail = f"it is not UTF-8 at byte {error.start + 1}."
    except json.JSONDecodeError as error:
        detail = f"{error.msg}, at line {error.lineno}, column {error.colno}."
    except _NotStrictJsonError as error:
        detail = str(error)
    except ValueError:
        detail = "a number has too many digits."
    except RecursionError:
        detail = "it is nested too deeply."
    raise _not_json(detail)


def _not_json(detail: str) -> Problem:
    return Problem(
        ProblemCode.INVALID_REQUEST,
        f"The body is not valid JSON: {detail}",
        errors=[{"parameter": "body", "pointer": "#", "detail": detail}],
    )


def _to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        repeated = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise _NotStrictJsonError(f"an object has the member {json.dumps(repeated[:_LONGEST_QUOTE])} twice.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise _NotStrictJsonError(f"{name} is not a JSON number.")
