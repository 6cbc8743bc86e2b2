"""The demo's on-call schedule: three colleagues who take turns, and a second in line."""

from __future__ import annotations

from datetime import date, time
from typing import Any, cast

import asyncpg

from mentalspace.engine.channel import add_contact
from mentalspace.engine.db import Connection
from mentalspace.engine.oncall import NewLayer, add_person, set_layer
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.settings import Settings

ZONE = "America/New_York"
ACTOR = "demo"
# A Monday long ago: the turns go on from there.
FIRST_DAY = date(2026, 1, 5)
# Whoever signs in as on-call engineer, and colleagues of theirs.
ENGINEERS = ("Noor Haddad", "Theo Lindqvist", "Wren Castillo")
CTO = "Marisol Vega"
ROUTING_KEY = "demo0routing0key0of0pagerduty000"  # the sandbox's PagerDuty takes any of 32 letters


async def seed_oncall(owner: asyncpg.Connection[Any], vault: Vault, settings: Settings) -> None:
    """Once: a schedule that somebody changed, or emptied, stays as it is."""
    connection = cast(Connection, owner)  # they have the same methods
    if await connection.fetchval("select exists (select from oncall_person)"):
        return
    ids = {}
    for name in (*ENGINEERS, CTO):
        ids[name] = await add_person(connection, name)
        pager = f"json://127.0.0.1:{settings.sandbox_port}/pager"
        who = name.partition(" ")[0].lower()
        if name == CTO:
            await add_contact(connection, vault, ids[name], "pagerduty", ROUTING_KEY)
        await add_contact(connection, vault, ids[name], "apprise", f"{pager}/{who}")
        await add_contact(connection, vault, ids[name], "email", f"{who}@staff.demo.example")
    engineers = [ids[name] for name in ENGINEERS]
    for target, title, rank, people in (
        ("oncall", "First", 1, engineers),
        ("oncall", "Second", 2, [*engineers[1:], engineers[0]]),
        ("cto", "First", 1, [ids[CTO]]),
    ):
        new = NewLayer(target, title, rank, ZONE, time(9), 7, FIRST_DAY, None, people)
        await set_layer(connection, new, ACTOR)
