"""Incidents: what is wrong, since when, and a person who says `I have it`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter

from mentalspace.api.fields import Out
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.archive import archive, unarchive
from mentalspace.engine.db import Connection
from mentalspace.engine.incidents import acknowledge, resolve
from mentalspace.workflows.doctor.way_out import read_way_out
from mentalspace.workflows.impact import together_words
from mentalspace.workflows.impact.together import Together as _Together
from mentalspace.workflows.impact.together import read_together
from mentalspace.workflows.impact.whole import read_people

routes = APIRouter(tags=["incidents"])

_COLUMNS = """
select id, rule_id, case_id, integration, practice_id, severity, title, fault, status, opened_at,
       since, recovered_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by,
       ack_due_at, resolve_due_at, escalation_step, next_escalation_at, rounds, facts, drill,
       lead_id, archived_at, archived_by
  from incident
"""
_LIST = (
    _COLUMNS
    + """
 where ($1::text is null or status = $1) and ($2::text is null or integration = $2)
   and ($3 or drill is null)
   and ($4::timestamptz is null or (opened_at, id) < ($4, $5::uuid))
 order by opened_at desc, id desc limit $6
"""
)

Status = Literal["open", "acknowledged", "resolved"]


class Incident(Out):
    """`since` is when the trouble began, `opened_at` when the rule saw it. `fault` says whose it
    is: ours, theirs, the recipient's, or unclear; `facts.met` whose its tries said, where that
    was inferred against them. `facts.before` is the case and the fault of one that came back by
    another cause. Two clocks run from the opening: `ack_due_at` and `resolve_due_at`; `rounds`
    counts how often it became nobody's again. `lead_id` is the incident of the same cause that is
    paged and taken for this one too."""

    id: UUID
    rule_id: str
    case_id: str | None
    integration: str
    practice_id: UUID | None
    severity: str
    title: str
    fault: str
    status: Status
    opened_at: datetime
    since: datetime
    recovered_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None
    resolved_by: str | None
    ack_due_at: datetime
    resolve_due_at: datetime | None
    escalation_step: int
    next_escalation_at: datetime | None
    rounds: int
    facts: dict[str, Any]
    drill: str | None
    lead_id: UUID | None
    archived_at: datetime | None
    archived_by: str | None


class People(Out):
    """Whom it touches with all that it leads, each once. `people_left` are not reached as things
    stand; `next_appointment_at` is the first appointment among them."""

    people: int
    people_left: int
    next_appointment_at: datetime | None


class Linked(Out):
    """One of several incidents that belong together; `provider` by its title."""

    id: UUID
    title: str
    provider: str


class Together(Out):
    """What it has to do with others. `ways`: several ways of a practice in one integration fail at
    once. `way_out`: several providers are silent at once, which is rather our own way out. The
    people are those of all of these `incidents`, each once, and null where they could not be
    counted in time; who is in two integrations is one of each. `leaves_by` are the providers by
    which messages leave meanwhile, of `ways`; `says` is all of it in words, in UTC."""

    kind: Literal["ways", "way_out"]
    integration: str | None
    incidents: list[Linked]
    practices: int
    people: int | None
    people_left: int | None
    people_by_integration: dict[str, int] | None
    next_appointment_at: datetime | None
    leaves_by: list[str]
    says: str


class WholeIncident(Incident):
    """With whom it touches, null where its rule counts nobody, and what it has to do with others.
    These are counted when you ask."""

    touched: People | None
    together: list[Together]


Reader = Annotated[Visit, allowed("incidents.read")]
Actor = Annotated[Visit, allowed("incidents.act")]


@routes.get("/v1/incidents", summary="Incidents, newest first")
async def incidents(
    visit: Reader,
    status: Status | None = None,
    integration: str | None = None,
    drills: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Incident]:
    """On-call sees all of them, an administrator those of their practice."""
    before_at, before_id = position(cursor)
    async with visit.reading() as connection:
        rows = await connection.fetch(
            _LIST, status, integration, drills, before_at, before_id, limit + 1
        )
    return page(rows, limit, "opened_at", Incident)


@routes.get("/v1/incidents/{incident_id}", summary="One incident", responses={404: {}})
async def incident(visit: Reader, incident_id: UUID) -> WholeIncident:
    """Whoever sees one practice is told of its people alone."""
    services = visit.services
    async with services.database.as_oncall() as connection:
        way_out = await read_way_out(connection, services.rooms)
    async with visit.reading() as connection:
        found = await _read(connection, incident_id)
        row = await connection.fetchrow("select * from incident where id = $1", incident_id)
        people = await read_people(connection, services.runbooks, row)
        together = await read_together(connection, services, row, way_out)
    return WholeIncident(
        **dict(found),
        touched=People(**{name: people[name] for name in People.model_fields}) if people else None,
        together=[_together(one, incident_id) for one in together],
    )


def _together(told: _Together, own: UUID) -> Together:
    said = together_words.plain(together_words.line(told, own), _moment)
    return Together(**together_words.public(told), says=said)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


@routes.post("/v1/incidents/{incident_id}/acknowledge", summary="I have it", responses={404: {}})
async def take(visit: Actor, incident_id: UUID) -> Incident:
    """Escalation stops until `resolve_due_at`. The answer is the incident as it stands, whoever was
    quicker."""
    return await _act(visit, incident_id, acknowledge)


@routes.post(
    "/v1/incidents/{incident_id}/archive",
    summary="Known; out of sight until it gets worse",
    responses={404: {}},
)
async def put_away(visit: Actor, incident_id: UUID) -> Incident:
    """It is open again, and pages, with twice the people or a graver case."""
    return await _act(visit, incident_id, archive)


@routes.post(
    "/v1/incidents/{incident_id}/unarchive", summary="Back into sight", responses={404: {}}
)
async def take_out(visit: Actor, incident_id: UUID) -> Incident:
    return await _act(visit, incident_id, unarchive)


@routes.post("/v1/incidents/{incident_id}/resolve", summary="It is over", responses={404: {}})
async def close(visit: Actor, incident_id: UUID) -> Incident:
    """The same cause would open a new incident."""
    return await _act(visit, incident_id, resolve)


async def _act(
    visit: Visit, incident_id: UUID, action: Callable[[Connection, UUID, str], Awaitable[bool]]
) -> Incident:
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        await action(connection, incident_id, visit.actor)
        return await _read(connection, incident_id)


async def _read(connection: Connection, incident_id: UUID) -> Incident:
    row = await connection.fetchrow(_COLUMNS + " where id = $1", incident_id)
    if row is None:
        raise not_found()
    return Incident(**dict(row))
