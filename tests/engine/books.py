"""A credential whose messages are written straight into the ledger, for rates and rules."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from mentalspace.engine.alerts import Evaluator
from mentalspace.engine.db import Database
from mentalspace.engine.rates import DAY_S, HOUR_S, Rates, read_rates
from mentalspace.engine.runbook import (
    AlertKind,
    AlertRule,
    AlertState,
    Measure,
    Metric,
    Of,
    Op,
    Overview,
    RoomRunbook,
    Runbooks,
    load_runbooks,
)
from mentalspace.integrations import discover_rooms
from mentalspace.kernel.case import Fault, Severity
from tests.engine.toy import CASES, make_practice

DELIVERED = Metric("toy.delivered", "Delivered", "ratio", Op.ABOVE, 0.98, Measure.DELIVERY_RATE)
BOUNCED = Metric(
    "toy.bounced", "Bounced", "ratio", Op.BELOW, 0.02, Measure.EVENT_RATE, ("toy.bounced",)
)
COMPLAINED = replace(
    BOUNCED, id="toy.complained", events=("toy.complained",), of=Of.DELIVERED, target=0.001
)
SENT_IN = Metric("toy.send_time", "Send time", "s", Op.BELOW, 5, Measure.SEND_TIME)
UP = Metric("toy.up", "Uptime", "ratio", Op.ABOVE, 0.999, Measure.AVAILABILITY)
FAILED = Metric("toy.failed", "Failures", "ratio", Op.BELOW, 0.05, Measure.FAILURE_RATE)
LATE = replace(FAILED, id="toy.late", measure=Measure.LATE_RATE, late_after_s=30)
SLOW = replace(FAILED, id="toy.slow", measure=Measure.SLOW_RATE)
LEFT = replace(
    FAILED, id="toy.left", target=0.01, measure=Measure.OPT_OUT_RATE, reasons=("opted_out",)
)
LOW = AlertRule(
    id="toy.delivered_low",
    title="Too few arrive",
    kind=AlertKind.RATE,
    state=AlertState.LIVE,
    threshold=0.95,
    cases=(),
    metric="toy.delivered",
    op=Op.BELOW,
    severity=Severity.HIGH,
    action="look",
    resolves_after=2,
    drill=None,
    hold_s=600,
)
BOUNCES = replace(
    LOW, id="toy.bounces", metric="toy.bounced", op=Op.ABOVE, threshold=0.05, fault=Fault.RECIPIENT
)
LEAVING = replace(BOUNCES, id="toy.leaving", metric="toy.left", fault=Fault.OURS)


@dataclass(slots=True)
class Books:
    """A credential whose messages are written straight into the ledger, with their times."""

    admin: asyncpg.Connection[Any]
    database: Database
    practice_id: UUID
    credential_id: UUID
    lane_id: UUID
    books: Runbooks

    @property
    def overview(self) -> Overview:
        return self.books.rooms[0].overview

    async def write(
        self,
        status: str,
        count: int = 1,
        *,
        ago: timedelta = timedelta(minutes=20),
        took: timedelta = timedelta(seconds=2),
        case: str | None = None,
        event: str | None = None,
        fault: str | None = None,
        drill: str | None = None,
        arrived_after: timedelta = timedelta(0),
        person: str = "k",
        code: str | None = None,
    ) -> None:
        """So many messages that the provider took, or that ended untaken, so long ago."""
        taken = status in ("accepted", "delivered", "bounced")
        now: datetime = await self.admin.fetchval("select app.now()")
        for _ in range(count):
            delivery_id = await self.admin.fetchval(
                "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
                " recipient_key, status, idempotency_key, due_at, accepted_at, ended_at, last_case,"
                " traceparent, drill)"
                " values ($1, $2, $3, 'toy', 'x', $11, $4, $5, $6, $7, $8, $9, 't', $10)"
                " returning id",
                self.practice_id,
                self.lane_id,
                self.credential_id,
                status,
                secrets.token_hex(8),
                now - ago - took,
                now - ago if taken else None,
                None if status == "accepted" else now - ago + arrived_after,
                case,
                drill,
                person,
            )
            await self.admin.execute(
                "with made as (insert into attempt (practice_id, lane_id, credential_id,"
                " integration, state, idempotency_key, worker, deadline_s, finished_at, fault,"
                " case_id, traceparent, drill)"
                " values ($1, $2, $3, 'toy', $4, 'k', 'w', 10, $5, $6, $7, 't', $8)"
                " returning id, practice_id)"
                " insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
                " select id, $9, practice_id from made",
                self.practice_id,
                self.lane_id,
                self.credential_id,
                "succeeded" if taken else "failed",
                now - ago,
                fault,
                case,
                drill,
                delivery_id,
            )
            if event:
                told = {"event": event, "code": code} | ({"case": case} if case else {})
                await self.admin.execute(
                    "insert into timeline (practice_id, delivery_id, kind, data, actor, at)"
                    " values ($1, $2, 'provider_event', $3::jsonb, 'provider', $4)",
                    self.practice_id,
                    delivery_id,
                    json.dumps(told),
                    now - ago,
                )

    async def leave(self, person: str, reason: str = "opted_out") -> None:
        """Somebody wants no more, as the runbook's step would have entered it."""
        await self.admin.execute(
            "insert into suppression (practice_id, integration, recipient_key, reason)"
            " values ($1, 'toy', $2, $3)",
            self.practice_id,
            person,
            reason,
        )

    async def second(self, endpoint: str = "second", provider: str = "acme") -> Books:
        """The same practice's next credential, and its lane."""
        credential_id = await _credential(self.admin, self.practice_id, endpoint, provider)
        lane_id = await _lane(self.admin, self.practice_id, credential_id)
        return replace(self, credential_id=credential_id, lane_id=lane_id)

    async def read(self, *, pooled: bool = False) -> Rates:
        async with self.database.as_oncall() as connection:
            return await read_rates(
                connection,
                self.overview,
                self.books.rooms[0].recipient_cases,
                [self.credential_id],
                (HOUR_S, DAY_S),
                pooled=pooled,
            )

    async def text(self, metric: str, span_s: float = HOUR_S) -> str:
        return (await self.read()).reading(metric, self.credential_id, span_s).text

    async def try_(self, states: Sequence[str], person: str, *, ends: bool = False) -> None:
        """A message to somebody, tried so often with these ends; the provider's fault if any. With
        `ends` the last try is its end, else what failed waits for the next."""
        went = states[-1] == "succeeded"
        status = "delivered" if went else "refused" if ends else "pending"
        now: datetime = await self.admin.fetchval("select app.now()")
        delivery_id = await self.admin.fetchval(
            "insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
            " recipient_key, status, idempotency_key, accepted_at, ended_at, attempts, traceparent)"
            " values ($1, $2, $3, 'toy', 'x', $4, $5, $6, $7, $8, $9, 't') returning id",
            self.practice_id,
            self.lane_id,
            self.credential_id,
            person,
            status,
            secrets.token_hex(8),
            now if went else None,
            now if went or ends else None,
            len(states),
        )
        for number, state in enumerate(states):
            attempt_id = await self.admin.fetchval(
                "insert into attempt (practice_id, lane_id, credential_id, integration, state,"
                " idempotency_key, worker, deadline_s, started_at, finished_at, fault, traceparent)"
                " values ($1, $2, $3, 'toy', $4, 'k', 'w', 10, $5, $5, $6, 't') returning id",
                self.practice_id,
                self.lane_id,
                self.credential_id,
                state,
                now - timedelta(milliseconds=len(states) - number - 1),
                None if state == "succeeded" else "theirs",
            )
            await self.admin.execute(
                "insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
                " values ($1, $2, $3)",
                attempt_id,
                delivery_id,
                self.practice_id,
            )

    async def hear(self, ago: timedelta = timedelta(0)) -> None:
        """The provider called back."""
        await self.admin.execute(
            "insert into inbox (practice_id, credential_id, integration, provider, external_id,"
            " payload, state, received_at) values ($1, $2, 'toy', 'acme', $3, '', 'processed',"
            " app.now() - $4::interval)",
            self.practice_id,
            self.credential_id,
            secrets.token_hex(8),
            ago,
        )

    async def advance(self, by: timedelta) -> None:
        await self.admin.fetchval("select app.advance_clock($1)", by)

    async def tick(self, after: timedelta = timedelta(0)) -> int:
        await self.advance(after)
        return await Evaluator(self.database, self.books).tick()

    async def stand_still(self) -> None:
        """The clock moves by `advance` alone, however slow the machine is. The database is then no
        other test's."""
        await self.admin.execute(
            "create or replace function app.now() returns timestamptz language sql stable as"
            " $$ select timestamptz '2026-03-02 09:00+00' + (select clock_offset from app.clock) $$"
        )

    async def try_each(self, those: Sequence[tuple[Books, bool]]) -> None:
        """One message of each to somebody of their own, at once, and whether it got through."""
        await self.admin.execute(
            "with sent as (select * from unnest($2::uuid[], $3::uuid[], $4::bool[])"
            "   as s (credential_id, lane_id, good)"
            "), made as ("
            " insert into delivery (practice_id, lane_id, credential_id, integration, kind,"
            "  recipient_key, status, idempotency_key, accepted_at, ended_at, attempts,"
            "  traceparent)"
            " select $1, lane_id, credential_id, 'toy', 'x', gen_random_uuid()::text,"
            "  case when good then 'delivered' else 'refused' end, gen_random_uuid()::text,"
            "  case when good then app.now() end, app.now(), 1, 't' from sent"
            " returning id, credential_id"
            "), tried as ("
            " insert into attempt (practice_id, lane_id, credential_id, integration, state,"
            "  idempotency_key, worker, deadline_s, started_at, finished_at, fault, traceparent)"
            " select $1, lane_id, credential_id, 'toy', case when good then 'succeeded'"
            "  else 'failed' end, 'k', 'w', 10, app.now(), app.now(),"
            "  case when not good then 'theirs' end, 't' from sent returning id, credential_id)"
            " insert into attempt_delivery (attempt_id, delivery_id, practice_id)"
            " select tried.id, made.id, $1 from tried join made using (credential_id)",
            self.practice_id,
            [books.credential_id for books, _good in those],
            [books.lane_id for books, _good in those],
            [good for _books, good in those],
        )

    async def paged(self, known: int) -> list[tuple[UUID, str]]:
        """Whose rules opened or reopened an incident, after the first so many."""
        rows = await self.admin.fetch(
            "select i.credential_id, i.rule_id from timeline t join incident i"
            " on i.id = t.incident_id where t.kind in ('incident_opened', 'incident_regressed')"
            " order by t.id offset $1",
            known,
        )
        return [(row["credential_id"], row["rule_id"]) for row in rows]

    async def state(self, rule: AlertRule) -> str | None:
        state: str | None = await self.admin.fetchval(
            "select state from alert_state where key = $1", f"{rule.id}:{self.credential_id}"
        )
        return state


@pytest.fixture
async def books(admin: asyncpg.Connection[Any], database: Database) -> AsyncIterator[Books]:
    real = load_runbooks(list(discover_rooms().values()), None)
    overview = replace(
        real.rooms[0].overview,
        room="toy",
        metrics=(DELIVERED, BOUNCED, COMPLAINED, SENT_IN, UP, FAILED, LATE, SLOW, LEFT),
        alerts=(LOW, BOUNCES, LEAVING),
    )
    room = RoomRunbook("toy", overview, CASES, (), ())
    practice_id = await make_practice(admin, "counted")
    credential_id = await _credential(admin, practice_id, "default")
    lane_id = await _lane(admin, practice_id, credential_id)
    yield Books(
        admin, database, practice_id, credential_id, lane_id, Runbooks((room,), real.escalation)
    )


async def _credential(
    admin: asyncpg.Connection[Any], practice_id: UUID, endpoint: str, provider: str = "acme"
) -> UUID:
    credential_id: UUID = await admin.fetchval(
        "insert into credential (practice_id, integration, provider, endpoint, base_url, live,"
        " secrets, rate_per_s) values ($1, 'toy', $3, $2, 'http://127.0.0.1:1', false,"
        " '', 1) returning id",
        practice_id,
        endpoint,
        provider,
    )
    await admin.execute(
        "insert into credential_state (credential_id, practice_id) values ($1, $2)",
        credential_id,
        practice_id,
    )
    return credential_id


async def _lane(admin: asyncpg.Connection[Any], practice_id: UUID, credential_id: UUID) -> UUID:
    lane_id: UUID = await admin.fetchval(
        "insert into lane (practice_id, credential_id, integration, provider, class)"
        " values ($1, $2, 'toy', 'acme', 'bulk') returning id",
        practice_id,
        credential_id,
    )
    return lane_id
