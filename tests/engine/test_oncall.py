"""Who is woken: the schedule, its layers and overrides, and the settings where it has nobody."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.channel import add_contact, channels_of, remove_contact
from mentalspace.engine.oncall import (
    NewLayer,
    add_override,
    add_person,
    call_off,
    read_rota,
    set_layer,
)
from mentalspace.kernel.errors import Refused
from tests.engine.desk import MINUTE, Desk

DAY = timedelta(days=1)


async def person(desk: Desk, name: str, *ways: str) -> UUID:
    """Somebody with these ways to be reached, all of the desk's channel."""
    async with desk.bench.database.as_oncall() as connection:
        person_id = await add_person(connection, name)
        for way in ways:
            address = f"{desk.channel_url.replace('http', 'json')}/{way}"
            await add_contact(connection, desk.bench.vault, person_id, "apprise", address)
    return person_id


async def rota(desk: Desk, *people: UUID, rank: int = 1) -> UUID:
    """A rotation that began yesterday at this hour of UTC: now it is the second one's turn."""
    now: datetime = await desk.bench.admin.fetchval("select app.now()")
    begun = now - DAY - MINUTE
    new = NewLayer(
        "oncall", "First", rank, "UTC", time(begun.hour, begun.minute), 1, begun.date(), None,
        people,
    )  # fmt: skip
    async with desk.bench.database.as_oncall() as connection:
        return await set_layer(connection, new, "ada")


async def test_a_page_wakes_whoever_is_on_call(desk: Desk) -> None:
    """The settings' address is left alone while the schedule has somebody; a day later it is the
    next one's turn."""
    ada, noor = await person(desk, "Ada", "ada"), await person(desk, "Noor", "noor")
    await rota(desk, ada, noor)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["noor"]
    await desk.acknowledge()
    await desk.bench.admin.execute("update incident set status = 'resolved'")
    await desk.bench.advance(DAY)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["ada", "noor"]


async def test_the_first_way_that_works_gets_the_page(desk: Desk) -> None:
    """A way that refuses is passed over for the next, at once; nobody is woken twice, and what
    became of each way is written down."""
    noor = await person(desk, "Noor", "first", "second", "third")
    desk.refusing.add("first")
    await rota(desk, noor, noor)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["second"]
    rows = await desk.bench.admin.fetch("select label, state from page_send")
    assert sorted(row["state"] for row in rows) == ["failed", "sent"]
    assert all(row["label"] == "Noor, Apprise (json)" for row in rows)
    assert await desk.bench.admin.fetchval("select state from page") == "sent"
    await desk.tick()
    assert desk.targets() == ["second"]


async def test_a_repeat_goes_every_way_and_to_the_next_in_line(desk: Desk) -> None:
    """Nobody acknowledged: the second page takes all of somebody's ways and wakes the second layer
    as well."""
    noor = await person(desk, "Noor", "noor-1", "noor-2")
    ada = await person(desk, "Ada", "ada-1", "ada-2")
    await rota(desk, noor, noor)
    await rota(desk, ada, ada, rank=2)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["noor-1"]
    await desk.tick(31 * MINUTE)
    assert desk.targets() == sorted(["noor-1", "noor-1", "noor-2", "ada-1", "ada-2", "cto"])


async def test_an_override_wakes_somebody_else(desk: Desk) -> None:
    """While it lasts; called off, the rotation holds again."""
    ada, noor = await person(desk, "Ada", "ada"), await person(desk, "Noor", "noor")
    layer = await rota(desk, ada, noor)
    now = await desk.bench.admin.fetchval("select app.now()")
    async with desk.bench.database.as_oncall() as connection:
        override = await add_override(
            connection, layer, ada, now, now + DAY, reason="", actor="noor"
        )
        assert (await read_rota(connection, now)).on_call("oncall", now) == [ada]
        assert await call_off(connection, override, "noor")
        assert not await call_off(connection, override, "noor")
        assert (await read_rota(connection, now)).on_call("oncall", now) == [noor]


async def test_where_nobody_is_on_call_the_settings_are_paged(desk: Desk) -> None:
    """A gap of the schedule, or somebody without any way, loses no page."""
    nobody = await person(desk, "Unreachable")
    await rota(desk, nobody, nobody)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["oncall"]


async def test_when_no_way_of_somebody_works_the_settings_are_paged(desk: Desk) -> None:
    """At once, and the page counts as sent: whoever looks after the settings' address has it."""
    noor = await person(desk, "Noor", "noor-1", "noor-2")
    desk.refusing |= {"noor-1", "noor-2"}
    await rota(desk, noor, noor)
    await desk.fail(400)
    await desk.tick()
    assert desk.targets() == ["oncall"]
    assert await desk.bench.admin.fetchval("select state from page") == "sent"


async def test_an_address_goes_in_and_comes_out_for_the_pager_alone(desk: Desk) -> None:
    """It is sealed, an on-call engineer cannot read it, and removed it is gone."""
    noor = await person(desk, "Noor", "noor")
    sealed = await desk.bench.admin.fetchval("select address from oncall_contact")
    assert b"noor" not in sealed
    async with desk.bench.database.as_dispatcher() as connection:
        [channel] = await channels_of(connection, desk.bench.vault, noor)
        assert channel.address.endswith("/noor")
        assert channel.address not in repr(channel)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with desk.bench.database.as_oncall() as connection:
            await connection.fetch("select address from oncall_contact")
    async with desk.bench.database.as_oncall() as connection:
        assert await remove_contact(connection, UUID(channel.key))
    assert await desk.bench.admin.fetchval("select address from oncall_contact") is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"target": "tickets"}, "no_such_target"),
        ({"zone": "Mars/Olympus"}, "no_such_zone"),
        ({"every_days": 0}, "bad_length"),
        ({"ends_on": date(2026, 1, 5)}, "ends_before_it_begins"),
        ({"people": []}, "nobody"),
        ({"people": [UUID(int=7)]}, "no_such_person"),
    ],
)
async def test_a_rotation_that_cannot_be_is_refused(
    desk: Desk, changes: dict[str, Any], code: str
) -> None:
    """With a word for what is wrong, before anything changes."""
    good = {
        "target": "oncall", "name": "First", "rank": 1, "zone": "UTC", "hand_over": time(9),
        "every_days": 7, "starts_on": date(2026, 1, 5), "ends_on": None,
        "people": [await person(desk, "Noor")],
    }  # fmt: skip
    async with desk.bench.database.as_oncall() as connection:
        with pytest.raises(Refused) as refused:
            await set_layer(connection, NewLayer(**{**good, **changes}), "ada")
    assert refused.value.code == code


async def test_a_page_for_one_colleague_goes_their_ways_alone(desk: Desk) -> None:
    """Whoever is on call is left alone by it, and so are the settings' addresses; for somebody of
    whom no way is known it says so."""
    noor, ada = await person(desk, "Noor", "noor"), await person(desk, "Ada", "broken", "ada")
    desk.refusing.add("broken")
    await rota(desk, noor, noor)
    await desk.fail(400)
    await desk.tick()
    incident = await desk.incident()
    for who in (ada, await person(desk, "Wren")):
        await desk.bench.admin.execute(
            "insert into page (incident_id, target, meant, step) values ($1, $2, $2, 0)",
            incident["id"],
            f"person:{who}",
        )
    await desk.tick()
    assert desk.targets() == ["ada", "noor"]
    errors = await desk.bench.admin.fetch("select error from page where state = 'pending'")
    assert [row["error"] for row in errors] == ["no address is configured for this target"]
