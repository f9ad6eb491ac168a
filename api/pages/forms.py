"""Forms, with their CSRF check."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.deps import SessionsDep
from api.problems.codes import ProblemCode
from api.problems.problem import Problem
from domain.errors import InvalidInput

_MAX_FIELDS = 10


async def _read_form(request: Request, sessions: SessionsDep) -> dict[str, str]:
    sessions.require_own_page(request)
    # The API's own bodies are JSON. For forms this small, the standard library is enough.
    try:
        pairs = parse_qsl((await request.body()).decode(errors="replace"), max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise InvalidInput(f"A form may have at most {_MAX_FIELDS} fields.") from None
    fields = dict(pairs)
    if not hmac.compare_digest(fields.get("form_token", "").encode(), sessions.form_token(request).encode()):
        raise Problem(ProblemCode.FOREIGN_HOST, "This form belongs to another session. Open the page again.")
    return fields


# The fields of a form that was sent from a page of this API, in the session that the page was rendered for.
Form = Annotated[dict[str, str], Depends(_read_form)]
