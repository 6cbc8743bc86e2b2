"""A tour of a running house: what each door shows of one room, printed as one JSON object.

Run in the checkout that has the room: `python -m tests.ninth.tour ROOM`, with DATABASE_URL.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from mentalspace.drills.run import run_drills
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.log import configure_logs
from mentalspace.kernel.phi import Phi
from mentalspace.main import DEMO_PASSWORD
from mentalspace.workflows.demo import system_claims
from tests.conftest import MASTER_KEY
from tests.house import House, running_house, until

RECIPIENT = "+1-555-0134"


async def tour(room: str, admin_url: str, home: Path) -> dict[str, Any]:
    """Every door in turn; the drills come last, so that nothing before is theirs."""
    async with running_house(admin_url, MASTER_KEY, home) as house:
        owner = await asyncpg.connect(admin_url, server_settings={"search_path": "app, public"})
        try:
            return {
                "migrations": await _migrations(owner, room),
                "credentials": await _credentials(owner, room),
                "providers": await house.sandbox("GET", "/providers"),
                "delivery": await _deliver(house, owner, room),
                "api": await _api(house, room),
                "console": await _console(house),
                "doctor": [
                    (finding.subject, finding.check, finding.state)
                    for report in await house.app.doctor(house.services, room)
                    for finding in report.findings
                ],
                "drills": await _drill(house, room),
                "incidents": [
                    (incident["rule_id"], incident["drill"] is not None)
                    for incident in await house.incidents()
                ],
            }
        finally:
            await owner.close()


async def _migrations(owner: Any, room: str) -> dict[str, Any]:
    applied = await owner.fetch("select version_num from alembic_version")
    refers_to = await owner.fetchval(
        "select confrelid::regclass::text from pg_constraint"
        " where conrelid = to_regclass($1) and contype = 'f'",
        f"{room}_line",
    )
    return {"applied": sorted(row["version_num"] for row in applied), "refers_to": refers_to}


async def _credentials(owner: Any, room: str) -> list[Any]:
    rows = await owner.fetch(
        "select c.endpoint, c.live, c.base_url, array_agg(l.class order by l.class) as lanes"
        " from credential c join lane l on l.credential_id = c.id"
        " where c.integration = $1 group by c.id order by c.endpoint",
        room,
    )
    return [dict(row) for row in rows]


async def _deliver(house: House, owner: Any, room: str) -> dict[str, Any]:
    """One message through the room's lane to the sandbox, and the webhook that comes back."""
    services = house.services
    sample = services.rooms[room].sample
    assert sample is not None
    async with services.database.as_user(system_claims(house.practice_id)) as connection:
        delivery_id = await enqueue(
            connection,
            services.vault,
            NewDelivery(
                practice_id=house.practice_id,
                integration=room,
                lane_class="interactive",
                kind="sample",
                idempotency_key=f"{room}/tour/1",
                payload=sample(RECIPIENT),
                recipient=Phi(RECIPIENT),
            ),
        )
    assert delivery_id is not None

    async def ended() -> bool:
        [delivery] = [d for d in await house.deliveries() if d["id"] == delivery_id]
        return bool(delivery["status"] == "delivered")

    await until(ended)
    inbox = await owner.fetch(
        "select c.endpoint, i.state from inbox i join credential c on c.id = i.credential_id"
        " where i.integration = $1",
        room,
    )
    return {
        "timeline": await house.timeline(delivery_id),
        "accepted": await house.sandbox("GET", f"/mailbox?room={room}"),
        "hooks": {a["id"]: a["webhook_url"] for a in await house.sandbox("GET", "/accounts")},
        "inbox": [tuple(row) for row in inbox],
    }


async def _api(house: House, room: str) -> dict[str, Any]:
    async with house.http.get(f"{house.url}/openapi.json") as answer:
        document = await answer.json()
    async with house.http.get(f"{house.url}/v1/{room}/pages") as answer:
        return {"document": document, "route": await answer.json()}


async def _console(house: House) -> dict[str, str]:
    """The pages as the on-call engineer of the demo gets them."""
    jar = aiohttp.CookieJar(unsafe=True)  # the console is at an address without a name
    async with aiohttp.ClientSession(house.url, cookie_jar=jar, raise_for_status=True) as person:
        async with person.get("/login") as answer:
            token = re.search(r'name="token" value="([^"]+)"', await answer.text())
        assert token is not None
        form = {"email": "oncall@demo.example", "password": DEMO_PASSWORD, "token": token[1]}
        await person.post("/login", data=form)
        pages = {}
        for path in ("/", "/runbook", "/drills"):
            async with person.get(path) as answer:
                pages[path] = await answer.text()
        return pages


async def _drill(house: House, room: str) -> list[dict[str, Any]]:
    results = await run_drills(house.services, [room], lambda _line: None)
    return [
        {"id": result.id, "passed": result.passed, "observed": result.observed}
        for result in results
    ]


def main() -> None:
    home = Path(os.environ["MENTALSPACE_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    with home.joinpath("tour.log").open("w") as log:
        configure_logs("tour", log)
        seen = asyncio.run(tour(sys.argv[1], os.environ["DATABASE_URL"], home))
    json.dump(seen, sys.stdout, default=str)


if __name__ == "__main__":
    main()
