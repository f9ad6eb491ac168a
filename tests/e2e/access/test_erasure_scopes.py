"""Only administrators erase, hold and read receipts, and the receipt names their key."""

from __future__ import annotations

from tests.e2e.access.conftest import Clients, KeyedStack

ROUTES = [
    ("DELETE", ""),
    ("GET", "/erasure"),
    ("DELETE", "/erasure"),
    ("GET", "/hold"),
    ("PUT", "/hold"),
    ("DELETE", "/hold"),
]


async def test_only_administrators_erase_and_hold(keyed: KeyedStack, clients: Clients) -> None:
    number = await keyed.stack.create_ended_run(1)
    for holder in (clients.desk, clients.archive, clients.reader):
        for method, path in ROUTES:
            refused = await holder.http.request(method, f"/processes/{number}{path}")
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), (method, path)
    assert (await keyed.stack.get_status(number))["available_documents"] == 1

    held = (await clients.chief.http.put(f"/processes/{number}/hold")).json()
    released = await clients.chief.http.delete(f"/processes/{number}/hold")
    erased = await clients.chief.http.delete(f"/processes/{number}")

    chief = {"client": "chief", "key_id": clients.chief.key_id}
    assert held["placed_by"] == chief
    assert released.json()["held"] is False
    assert erased.status_code == 202
    assert erased.json()["requested_by"] == chief
    assert (await clients.desk.http.get(f"/processes/{number}")).status_code == 410
