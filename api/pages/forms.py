"""What a form of ours has sent."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.pages.session import Sessions
from api.problem_codes import ProblemCode
from api.problems import Problem
from domain.errors import InvalidInput

_MOST_FIELDS = 10


async def _fields(request: Request) -> dict[str, str]:
    sessions: Sessions = request.app.state.sessions
    sessions.require_own_page(request)
    # The API's bodies are JSON; for forms as small as these the standard library reads enough.
    try:
        pairs = parse_qsl((await request.body()).decode(errors="replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise InvalidInput(f"A form has {_MOST_FIELDS} fields at most.") from None
    fields = dict(pairs)
    if not hmac.compare_digest(fields.get("form_token", "").encode(), sessions.form_token(request).encode()):
        raise Problem(ProblemCode.FOREIGN_HOST, "This form is of another session. Open the page again.")
    return fields


# The fields of a form that a page of ours has sent, in the session that it was made for.
Form = Annotated[dict[str, str], Depends(_fields)]
