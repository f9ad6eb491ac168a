"""Clients whose keys are all revoked or expired: nobody can read what is done for them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, and_, case, func, or_, select

from adapters.database.client_tables import api_keys


def select_lost_clients(now: datetime) -> Select[tuple[str]]:
    """Return the query for the clients without a usable key. Those that never had one are not among them.

    A client without any key is the operator, or whoever uses a deployment without keys.
    """
    is_usable = and_(
        api_keys.c.revoked_at.is_(None), or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    )
    usable = func.sum(case((is_usable, 1), else_=0))
    return select(api_keys.c.client).group_by(api_keys.c.client).having(usable == 0)
