"""A practice in trouble: what the console's tests look at, written down as the engine would."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import uvicorn
from fastapi import FastAPI

from mentalspace.console import router
from mentalspace.console.door import StartDrill, StartGameDay
from mentalspace.drills.anchor import anchor
from mentalspace.drills.background import Fared
from mentalspace.drills.indicators import Tally
from mentalspace.drills.record import Occasion, write_down
from mentalspace.drills.sheet import Sheet
from mentalspace.engine.evidence import append
from mentalspace.engine.incidents import NewIncident, open_incident
from mentalspace.engine.ledger import record
from mentalspace.engine.services import Services
from mentalspace.kernel.case import Severity
from mentalspace.kernel.phi import Phi
from mentalspace.main import MentalSpace
from mentalspace.practice.appointment import NewAppointment
from mentalspace.workflows.appointments import book
from mentalspace.workflows.calendar_import import import_calendar
from mentalspace.workflows.demo import system_claims
from tests.house import _Guest
from tests.house import serving as running_server

NOBODY = UUID(int=0)
PASSWORD = "test-password"
CLIENT = "Wilhelmina Testperson"
Owner: TypeAlias = "asyncpg.Connection[Any]"

_BAD_CSV = b"""external_id,client_external_id,client_name,client_email,starts_at,duration_min
good-1,c-90,Gwen Goodrow,gwen@demo.example,2031-05-02T09:00,50
bad-1,c-91,Bart Badrow,not-an-address,2031-05-02T10:00,soon
"""


@dataclass
class Stage:
    """A console on a free port over a seeded database, and the rows tests look for."""

    services: Services
    url: str
    owner: Owner
    lakeside: UUID
    mesa: UUID
    incident: UUID = NOBODY
    held: UUID = NOBODY
    delivered: UUID = NOBODY
    client: UUID = NOBODY
    drills: list[tuple[str, str]] = field(default_factory=list)
    game_days: list[tuple[str, list[str], float]] = field(default_factory=list)


@asynccontextmanager
async def on_stage(
    owner: Owner, admin_url: str, master_key: bytes, home: Path
) -> AsyncIterator[Stage]:
    """Seeds, serves, and stops. `drills` collects what the Run button asked for."""
    with _door() as door:
        port = door.getsockname()[1]
        house = MentalSpace(
            {
                "MENTALSPACE_HOME": str(home),
                "MENTALSPACE_PORT": str(port),
                "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(master_key).decode(),
                "MENTALSPACE_DEMO_PASSWORD": PASSWORD,
                "DATABASE_URL": admin_url,
            }
        )
        await house._prepare(admin_url, lambda _line: None)
        async with house.open_services(pool_size=4) as services:
            lakeside, mesa = await _practices(owner)
            stage = Stage(services, f"http://127.0.0.1:{port}", owner, lakeside, mesa)
            await _play(stage)
            async with _serving(stage, door):
                yield stage


async def _practices(owner: Owner) -> tuple[UUID, UUID]:
    rows = await owner.fetch(
        "select id from practice where slug in ('lakeside', 'mesa') order by slug"
    )
    return rows[0]["id"], rows[1]["id"]


def _door() -> socket.socket:
    """Bound, and held until the console takes it over: nobody else gets its port in between."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


@asynccontextmanager
async def _serving(stage: Stage, door: socket.socket) -> AsyncIterator[None]:
    async def start_drill(drill: str, actor: str) -> str:
        stage.drills.append((drill, actor))
        return await write_drill(stage.owner, drill, None)

    async def start_game_day(actor: str, rooms: list[str], per_minute: float) -> str:
        stage.game_days.append((actor, rooms, per_minute))
        return await write_game_day(stage)

    async with _served(stage.services, start_drill, door, start_game_day):
        yield


@asynccontextmanager
async def serving(services: Services) -> AsyncIterator[str]:
    """The address of another console, without drills."""
    with _door() as door:
        async with _served(services, None, door):
            yield f"http://127.0.0.1:{door.getsockname()[1]}"


@asynccontextmanager
async def _served(
    services: Services,
    start_drill: StartDrill | None,
    door: socket.socket,
    start_game_day: StartGameDay | None = None,
) -> AsyncIterator[None]:
    app = FastAPI(openapi_url=None)
    app.state.services = services
    for room in services.rooms.values():
        if room.routes is not None:
            app.include_router(room.routes())
    app.include_router(
        router(
            services,
            start_drill=start_drill,
            start_game_day=start_game_day,
            shown_password=PASSWORD,
        )
    )
    server = _Guest(uvicorn.Config(app, log_config=None, access_log=False))
    async with running_server(server, door):
        yield


async def _play(stage: Stage) -> None:
    """One night: Lakeside's mails go out but one is held; Mesa's key stopped working."""
    now, owner = datetime.now(UTC), stage.owner
    for number in range(6):
        name = CLIENT if number == 0 else f"Client Number{number}"
        ids = await _booked(stage, stage.lakeside, name, now + timedelta(hours=3 + number), number)
        await succeed(owner, ids[0])
        stage.delivered = ids[0]
    stage.held = (
        await _booked(stage, stage.lakeside, "Hal Heldperson", now + timedelta(hours=9), 20)
    )[0]
    await fail(
        owner, stage.held, 400, "validation_error", "email.validation_error", "human", "ours"
    )
    await walk(owner, stage.held, "held", held_reason="Resend finds the message malformed: 400")
    stage.client = await owner.fetchval("select id from client where name = $1", CLIENT)
    broken = [
        await _booked(stage, stage.mesa, f"Mesa Number{n}", now + timedelta(hours=4 + n), 40 + n)
        for n in range(5)
    ]
    for ids in broken[:2]:
        await fail(owner, ids[0], 403, "invalid_api_key", "email.unauthorized", "wait", "ours")
        await walk(owner, ids[0], "pending")
    await _incident(stage, broken[0][0], now)
    await owner.execute(
        "insert into heartbeat (process, kind, host, pid)"
        " values ('worker:a:1:x', 'worker', 'host-a', 4711)"
    )
    await write_drill(owner, "email/invalid_api_key", True)
    await write_drill(owner, "email/network_timeout", False)
    await owner.execute(
        "insert into task (practice_id, for_role, text, case_id, delivery_id, client_id)"
        " select practice_id, 'front_desk', 'Ask for an address that works',"
        " 'email.invalid_recipient', id, client_id from delivery where id = $1",
        stage.held,
    )
    await import_calendar(
        stage.services, system_claims(stage.lakeside), _BAD_CSV, "week.csv", imported_by="Sam"
    )


async def _booked(
    stage: Stage, practice_id: UUID, name: str, starts_at: datetime, number: int
) -> list[UUID]:
    """Book it as the front desk would; its messages, the confirmation first."""
    booked = await book(
        stage.services,
        system_claims(practice_id),
        NewAppointment(
            external_id=f"a-{number}",
            client_external_id=f"c-{number}",
            client_name=Phi(name),
            client_email=Phi(f"client{number}@demo.example"),
            client_phone=None,
            client_timezone="America/Chicago",
            client_language="en",
            clinician_email="clinician@demo.example",
            starts_at=starts_at,
            duration_min=50,
        ),
    )
    rows = await stage.owner.fetch(
        "select id from delivery where subject_id = $1 order by due_at", booked.appointment_id
    )
    return [row["id"] for row in rows]


async def walk(owner: Owner, delivery_id: UUID, *statuses: str, **values: Any) -> None:
    """Move a delivery through states the ledger allows, setting columns with the last."""
    for status in statuses:
        await owner.execute("update delivery set status = $2 where id = $1", delivery_id, status)
    for column, value in values.items():
        await owner.execute(f"update delivery set {column} = $2 where id = $1", delivery_id, value)


async def succeed(owner: Owner, delivery_id: UUID, last: str = "delivered") -> None:
    await walk(owner, delivery_id, "due", "sending")
    await _attempt(owner, delivery_id, "succeeded")
    await walk(owner, delivery_id, "accepted", last, attempts=1)
    await walk(owner, delivery_id, provider_message_id=f"re_{secrets.token_hex(6)}")
    await owner.execute(
        "update credential_state set recent = 'S', last_good_at = app.now() where credential_id ="
        " (select credential_id from delivery where id = $1)",
        delivery_id,
    )


async def fail(
    owner: Owner, delivery_id: UUID, http: int, code: str, case: str, disposition: str, fault: str,
    said: str = "API key is invalid.",
) -> None:  # fmt: skip
    """One failed try; the delivery is left in a worker's hand."""
    await walk(owner, delivery_id, "due", "sending", attempts=1, last_case=case)
    attempt = await _attempt(owner, delivery_id, "failed")
    await owner.execute(
        "update attempt set evidence_kind = 'http', http = $2, code = $3, case_id = $4,"
        " case_version = 1, disposition = $5, fault = $6, request_id = 'req_123' where id = $1",
        attempt,
        http,
        code,
        case,
        disposition,
        fault,
    )
    data = {"case": case, "evidence": f"{http} {code}", "disposition": disposition, "said": said}
    await _say(owner, "classified", delivery_id, data, attempt)


async def _attempt(owner: Owner, delivery_id: UUID, state: str) -> UUID:
    attempt: UUID = await owner.fetchval(
        "insert into attempt (practice_id, lane_id, credential_id, integration, state,"
        " idempotency_key, worker, deadline_s, started_at, finished_at, duration_ms, traceparent)"
        " select practice_id, lane_id, credential_id, integration, $2, idempotency_key, 'w', 10,"
        " app.now() - interval '1 s', app.now(), 240, traceparent from delivery where id = $1"
        " returning id",
        delivery_id,
        state,
    )
    await owner.execute(
        "insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
        " select $1, id, practice_id from delivery where id = $2",
        attempt,
        delivery_id,
    )
    await _say(owner, "attempt_opened", delivery_id, {"number": 1})
    if state == "succeeded":
        await _say(owner, "accepted", delivery_id, {})
    return attempt


async def _say(
    owner: Owner, kind: str, delivery_id: UUID, data: dict[str, Any], attempt_id: UUID | None = None
) -> None:
    row = await owner.fetchrow(
        "select practice_id, lane_id from delivery where id = $1", delivery_id
    )
    assert row is not None
    await record(
        owner, kind, practice_id=row["practice_id"], delivery_id=delivery_id,
        attempt_id=attempt_id, lane_id=row["lane_id"], data=data, actor="worker",
    )  # fmt: skip


async def _incident(stage: Stage, delivery_id: UUID, now: datetime) -> None:
    credential_id = await stage.owner.fetchval(
        "update lane set state = 'paused', paused_at = app.now(), paused_by = 'runbook',"
        " paused_case = 'email.unauthorized' where credential_id ="
        " (select credential_id from delivery where id = $1) returning credential_id",
        delivery_id,
    )
    await _say(stage.owner, "lane_paused", delivery_id, {"case": "email.unauthorized"})
    new = NewIncident(
        key=f"email.credential_refused:{credential_id}",
        rule_id="email.credential_refused",
        case_id="email.unauthorized",
        integration="email",
        credential_id=credential_id,
        practice_id=stage.mesa,
        severity=Severity.CRITICAL,
        title="A provider refuses a practice's credential",
        fault="ours",
        since=now - timedelta(minutes=1),
        facts={"failed_recipients": 2, "first_step": "Verify the RESEND_API_KEY secret"},
        drill=None,
    )
    async with stage.services.database.as_dispatcher() as connection:
        await open_incident(connection, stage.services.runbooks.escalation, new)
    stage.incident = await stage.owner.fetchval("select id from incident")
    await stage.owner.execute("update page set state = 'sent', sent_at = app.now()")


async def write_drill(owner: Owner, drill: str, passed: bool | None) -> str:
    run = f"{drill.partition('/')[2]}-{secrets.token_hex(4)}"
    done = passed is not None
    await owner.execute(
        "insert into drill_run (id, drill, finished_at, passed, expected, observed, seconds, actor)"
        " values ($1, $2, case when $3 then app.now() end, $4, $5, $6, 4.2, 'Noor')",
        run,
        drill,
        done,
        passed,
        {"then": {"status": ["pending"], "lane": "paused"}, "recovered": {"lane": "open"}},
        _seen(passed) if done else {},
    )
    return run


async def write_game_day(stage: Stage, *, ended: bool = False) -> str:
    """One of two drills, the first of which held and the second did not."""
    game_day, drills = (
        f"gd-{secrets.token_hex(4)}",
        ("email/invalid_api_key", "house/second_factor"),
    )
    await stage.owner.execute(
        "insert into game_day (id, actor, planned, per_minute, estimate_s)"
        " values ($1, $2, $3, 30, 9)",
        game_day, "Noor", list(drills),
    )  # fmt: skip
    books = stage.services.runbooks
    planned = [drill for drill in books.all_drills if drill.id in drills]
    async with stage.services.database.as_dispatcher() as connection:
        opened = await anchor(stage.services, connection, game_day, planned)
        opened |= {"actor": "Noor", "per_minute": 30, "within_s": 60, "estimate_s": 9, "at_once": 4}
        await append(connection, game_day, "opened", opened)
    for drill in planned:
        sheet = Sheet(drill, f"{game_day}-{drill.name}", stage.services.clock.now)
        sheet.note("inject", "the key is a wrong one")
        sheet.injected_at = sheet.detected_at = sheet.healed_at = sheet.recovered_at = sheet.now()
        sheet.note("observed", "all of it", drill.id == drills[0])
        sheet.failures += [] if drill.id == drills[0] else ["enrol"]
        sheet.observed = {"then": {"cases": ["email.unauthorized"], "alerts": []}}
        await write_down(stage.services, sheet, Occasion("Noor", game_day))
    if ended:
        closed = {
            "finished_at": stage.services.clock.now().isoformat(),
            "ended_early": None,
            "background": Fared(2, 2, per_minute=30, waited_s=(0.1, 0.2, 0.3)).public()
            | {"untouched": True},
            "indicators": {"email": Tally(2, 2, 9).public()},
        }
        async with stage.services.database.as_dispatcher() as connection:
            await append(connection, game_day, "closed", closed)
        await stage.owner.execute(
            "update game_day set state = 'finished', finished_at = app.now() where id = $1",
            game_day,
        )
    return game_day


def _seen(passed: bool | None) -> dict[str, Any]:
    then = {"statuses": ["pending"], "lane": ["paused" if passed else "open"]}
    seen: dict[str, Any] = {"then": then, "recovered": {"lane": ["open"]}}
    return seen if passed else {**seen, "missing": ["lane"]}
