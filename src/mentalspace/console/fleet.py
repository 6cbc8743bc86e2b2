"""The fleet page: every integration at a glance, open incidents first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.audit_words import DEEDS
from mentalspace.console.door import Missing, Visit
from mentalspace.console.queries.brewing import read_brewing
from mentalspace.console.queries.card_state import FOR_THE_DAY, Told
from mentalspace.console.queries.day_figures import DayFigure, read_day_figures
from mentalspace.console.queries.fleet import Card, Fleet, read_fleet
from mentalspace.console.queries.incident import open_incidents
from mentalspace.console.queries.lately import HOURS, read_changes, read_last_pages
from mentalspace.console.queries.listed import people_of
from mentalspace.console.queries.processes import (
    Process,
    drills_of,
    last_drills,
    read_lives,
)
from mentalspace.console.queries.refused import read_refusing
from mentalspace.console.words import State
from mentalspace.engine.credential_check import read_checked
from mentalspace.engine.db import Connection
from mentalspace.engine.heard import read_heard
from mentalspace.engine.in_the_way import read_in_the_way
from mentalspace.engine.slots import read_tight_slots
from mentalspace.workflows.doctor.lately import read_troubles
from mentalspace.workflows.doctor.way_in import look_at_ways_in
from mentalspace.workflows.doctor.way_out import look_at_way_out
from mentalspace.workflows.impact.together import read_all_together


async def home(visit: Visit) -> Response:
    """Operations see the fleet; a practice's staff begin with their day."""
    if not visit.person.may("incidents.read"):
        return visit.go("/morning" if visit.person.may("morning.read") else "/appointments")
    recipients = visit.services.runbooks.recipient_cases
    room = visit.query("room") or None
    if room is not None and room not in visit.services.rooms:
        raise Missing
    async with visit.services.database.as_oncall() as connection:
        told = Told(
            await read_refusing(connection),
            await read_troubles(connection, visit.services.runbooks, visit.services.rooms),
            await read_heard(connection, visit.services.rooms),
            await read_checked(connection),
        )
        slots = await read_tight_slots(connection)
    told = replace(told, ways_in=await look_at_ways_in(visit.services, sorted(told.silent)))
    way_out = await look_at_way_out(visit.services)
    async with visit.reading() as connection:
        fleet = await read_fleet(connection, recipients, told, room)
        incidents = await open_incidents(connection)
        people = await people_of(connection, visit.services.runbooks, incidents)
        together = await read_all_together(connection, visit.services, way_out)
        brewing = await read_brewing(connection, visit.services.runbooks)
        changes = await read_changes(connection)
    # Processes and drills belong to the installation and name no practice; rates are counted for
    # the credentials this person sees.
    async with visit.services.database.as_oncall() as connection:
        figures = await _figures(visit, connection, fleet.cards)
        pages = await read_last_pages(connection, visit.person.practice_id)
        drills = await last_drills(connection)
    async with visit.services.database.as_oncall() as connection:
        lives = await read_lives(connection)
        processes = lives.processes
        # Of a worker that starts again and again that is said, and nothing else of its loops.
        told_of = {("worker", host) for host in lives.restarts}
        troubled = [p for p in processes if p.is_troubled and (p.kind, p.host) not in told_of]
        waits = await read_in_the_way(connection) if troubled or lives.locked else []
    fleet = _while_silent(fleet, processes)
    return await visit.show(
        "fleet.html",
        refusing=told.refusing,
        fleet=fleet,
        uneasy=sum(card.state.tone in ("bad", "warn") for card in fleet.cards)
        + sum(group.number for group in fleet.more),
        begun=alike(card for card in fleet.cards if _has_begun(card, among=incidents)),
        lasting=[i for i in incidents if i["recovered_at"] is None],
        over=[i for i in incidents if i["recovered_at"] is not None],
        room=room,
        incidents=incidents,
        people=people,
        together=together,
        processes=processes,
        troubled=troubled,
        locked=lives.locked,
        restarts=list(lives.restarts.values()),
        way_out=way_out,
        slots=slots,
        waits=waits,
        brewing=brewing,
        changes=changes,
        began=[p for p in processes if p.age_s < HOURS * 3600 and p.state.tone != "idle"],
        pages=pages,
        looked_at=lives.looked_at,
        deeds=DEEDS,
        figures=figures,
        heard=told.heard,
        drills={room: drills_of(room, drills) for room in fleet.rooms},
    )


@dataclass(frozen=True, slots=True)
class Alike:
    """Cards of one provider of which the same is said: one trouble, most likely."""

    cards: Sequence[Card]

    @property
    def first(self) -> Card:
        return self.cards[0]

    @property
    def people(self) -> int:
        """Each is one practice's."""
        return sum(card.touched.people for card in self.cards)

    @property
    def next_at(self) -> datetime | None:
        return min((c.touched.next_at for c in self.cards if c.touched.next_at), default=None)


def alike(cards: Iterable[Card]) -> list[Alike]:
    """In the order of the first of each."""
    found: dict[tuple[str, str, str, str], list[Card]] = {}
    for card in cards:
        where = card.credential["integration"], card.credential["provider"]
        found.setdefault((*where, card.state.word, card.state.meaning), []).append(card)
    return [Alike(group) for group in found.values()]


def _has_begun(card: Card, *, among: Sequence[Any]) -> bool:
    """It is not well, and no incident that lasts tells of it. Beside incidents only what is bad is
    told; without any, what is doubtful too."""
    if card.state.word == FOR_THE_DAY:
        return False
    told = card.credential["incident_title"] and not card.credential["incident_recovered"]
    return card.state.tone == "bad" and not told if among else card.state.tone in ("bad", "warn")


def _while_silent(fleet: Fleet, processes: Sequence[Process]) -> Fleet:
    """No card works while every worker that is heard of is silent, whatever its last calls said,
    and no crowd is calm."""
    silent = {p.state.tone == "bad" and not p.stalled for p in processes if p.state.tone != "idle"}
    if silent != {True}:
        return fleet
    state = State("Worker silent", "bad", "no worker is alive: nothing is sent")
    cards = [
        replace(c, state=state) if c.state.tone in ("ok", "info", "idle") else c
        for c in fleet.cards
    ]
    calm = [replace(group, well=False) for group in fleet.calm]
    return replace(fleet, cards=cards, calm=calm)


async def _figures(
    visit: Visit, connection: Connection, cards: Sequence[Card]
) -> dict[UUID, Sequence[DayFigure]]:
    """Each credential's metrics over the last day."""
    found: dict[UUID, Sequence[DayFigure]] = {}
    for room in visit.services.runbooks.rooms:
        ids = [c.credential["id"] for c in cards if c.credential["integration"] == room.room]
        if ids:
            found |= await read_day_figures(connection, room, ids)
    return found
