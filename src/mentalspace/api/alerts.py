"""Alert rules: where each stands, when its drill last fired it, and silences, which always end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from mentalspace.api.fields import Body, Out
from mentalspace.api.page import Cursor, Limit, Page, page, position
from mentalspace.api.problem import Problem, not_found
from mentalspace.api.visit import Visit, allowed
from mentalspace.engine.alert_board import BoardLine, read_board
from mentalspace.engine.alert_board import Standing as Stands
from mentalspace.engine.alert_history import KEPT_DAYS, Change, read_changes
from mentalspace.engine.alert_silence import (
    LONGEST,
    LONGEST_REASON,
    NewSilence,
    Silence,
    add_silence,
    lift_silence,
    page_of_silences,
    standing_silences,
)
from mentalspace.engine.db import Connection
from mentalspace.kernel.errors import Refused

routes = APIRouter(tags=["alerts"])

StateName = Literal["normal", "pending", "alerting", "recovering", "no_data", "error"]


class Standing(Out):
    """A rule with one credential. `seen` is what the last look saw; without a `value` there was
    nothing to judge by. `silence_id` is the silence that keeps it from paging."""

    credential_id: UUID
    practice_id: UUID
    provider: str
    endpoint: str
    state: StateName
    since: datetime
    checked_at: datetime
    value: float | None
    n: int | None
    seen: str
    incident_id: UUID | None
    silence_id: UUID | None


class ChangeOut(Out):
    """From `at` on it stood so."""

    state: StateName
    at: datetime


class StandingAndPast(Standing):
    """`changes` are oldest first, the first of them how it stood when the hours began."""

    changes: list[ChangeOut]


class Proven(Out):
    """The last run of a drill in which the rule fired. `stale` is why it counts no longer; null
    while it does."""

    drill: str
    run_id: str
    at: datetime
    stale: str | None


class About(Out):
    """`line` is where it draws its line, `counts` its credentials by state, `drill` what proves
    that it fires. A page of the case or the issue to read then is in the runbook."""

    id: str
    title: str
    integration: str
    kind: str
    severity: str
    line: str
    first_step: str
    cases: list[str]
    issue: str | None
    drill: str
    state: StateName
    counts: dict[StateName, int]
    last_proven: Proven | None


class Rule(About):
    """With its ten most urgent credentials."""

    standings: list[Standing]


class RuleAndPast(About):
    """With as many of its credentials as asked for, the most urgent first."""

    standings: list[StandingAndPast]


class SilenceOut(Out):
    id: UUID
    rule_id: str | None
    integration: str | None
    practice_id: UUID | None
    reason: str
    created_by: str
    created_at: datetime
    until_at: datetime


class SilenceIn(Body):
    """At least one of rule, integration and practice. Every silence ends, within seven days, and
    says why."""

    rule_id: Annotated[str, Field(max_length=100)] | None = None
    integration: Annotated[str, Field(max_length=100)] | None = None
    practice_id: UUID | None = None
    hours: Annotated[float, Field(gt=0, le=LONGEST.total_seconds() / 3600)]
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST_REASON)]


Reader = Annotated[Visit, allowed("incidents.read")]
Actor = Annotated[Visit, allowed("incidents.act")]


@routes.get("/v1/alerts", summary="Every live rule and where it stands")
async def alerts(visit: Reader) -> list[Rule]:
    """On-call sees every practice's credentials, an administrator their own."""
    async with visit.reading() as connection, visit.services.database.as_oncall() as overseer:
        silences = await standing_silences(connection)
        board = await read_board(
            connection, overseer, visit.services.runbooks, silences, visit.person.practice_id
        )
    return [
        Rule(**_about(line), standings=[Standing(**_standing(each)) for each in line.worst])
        for line in board
    ]


@routes.get(
    "/v1/alerts/rules/{rule_id}",
    summary="One rule with every credential, and how each came to stand so",
    responses={404: {}},
)
async def rule(
    visit: Reader,
    rule_id: str,
    hours: Annotated[int, Query(ge=1, le=KEPT_DAYS * 24, description="Changes since then.")] = 24,
    first: Annotated[int, Query(ge=0, le=100_000, description="So many are left out.")] = 0,
    limit: Limit = 50,
) -> RuleAndPast:
    """On-call sees every practice's credentials, an administrator their own."""
    async with visit.reading() as connection, visit.services.database.as_oncall() as overseer:
        board = await read_board(
            connection,
            overseer,
            visit.services.runbooks,
            await standing_silences(connection),
            visit.person.practice_id,
            rule_id=rule_id,
            first=first,
            shown=limit,
        )
        if not board:
            raise not_found()
        pairs = [(rule_id, each.credential_id) for each in board[0].worst]
        since = await connection.fetchval("select app.now()") - timedelta(hours=hours)
        changes = await read_changes(connection, pairs, since)
    return RuleAndPast(
        **_about(board[0]),
        standings=[
            StandingAndPast(
                **_standing(each),
                changes=[_change(c) for c in changes.get((rule_id, each.credential_id), ())],
            )
            for each in board[0].worst
        ],
    )


@routes.get("/v1/alerts/silences", summary="Silences that hold now, the next to end first")
async def silences(visit: Reader, limit: Limit = 50, cursor: Cursor = None) -> Page[SilenceOut]:
    async with visit.reading() as connection:
        return await _page(connection, limit, cursor)


@routes.post("/v1/alerts/silences", summary="Page nobody of it for a while", status_code=201)
async def silence(visit: Actor, wanted: SilenceIn) -> SilenceOut:
    """It is evaluated and shown as ever, and opens no incident; if it still holds at the end, it
    pages then."""
    new = NewSilence(
        wanted.rule_id,
        wanted.integration,
        wanted.practice_id,
        wanted.reason,
        timedelta(hours=wanted.hours),
    )
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        try:
            silence_id = await add_silence(connection, visit.services.runbooks, new, visit.actor)
        except Refused as error:
            raise Problem(422, error.code, str(error)) from error
        [made] = [s for s in await standing_silences(connection) if s.id == silence_id]
    return _silence(made)


@routes.post("/v1/alerts/silences/{silence_id}/lift", summary="It ends now", responses={404: {}})
async def lift(visit: Actor, silence_id: UUID) -> Page[SilenceOut]:
    """The answer is what is still silenced, its first page. One that has ended already is not
    found."""
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        if not await lift_silence(connection, silence_id, visit.actor):
            raise not_found()
        return await _page(connection, 50, None)


def _about(line: BoardLine) -> dict[str, Any]:
    rule, proven = line.rule, line.proven.proof
    return {
        "id": rule.id,
        "title": rule.title,
        "integration": line.integration,
        "kind": rule.kind.value,
        "severity": rule.severity.value,
        "line": line.line,
        "first_step": rule.action,
        "cases": list(rule.cases),
        "issue": rule.issue,
        "drill": line.drill,
        "state": line.state.value,
        "counts": {state.value: number for state, number in line.counts.items()},
        "last_proven": None
        if proven is None
        else {
            "drill": proven.drill,
            "run_id": proven.run_id,
            "at": proven.at,
            "stale": line.proven.stale,
        },
    }


def _standing(each: Stands) -> dict[str, Any]:
    return {
        "credential_id": each.credential_id,
        "practice_id": each.practice_id,
        "provider": each.provider,
        "endpoint": each.endpoint,
        "state": each.state.value,
        "since": each.since,
        "checked_at": each.checked_at,
        "value": each.value,
        "n": each.n,
        "seen": each.seen,
        "incident_id": each.incident_id,
        "silence_id": each.silence.id if each.silence else None,
    }


def _change(change: Change) -> ChangeOut:
    return ChangeOut(state=change.state.value, at=change.at)


async def _page(connection: Connection, limit: int, cursor: str | None) -> Page[SilenceOut]:
    after_at, after_id = position(cursor)
    rows = await page_of_silences(connection, after_at, after_id, limit + 1)
    return page(rows, limit, "until_at", SilenceOut)


def _silence(silence: Silence) -> SilenceOut:
    return SilenceOut(
        id=silence.id,
        rule_id=silence.rule_id,
        integration=silence.integration,
        practice_id=silence.practice_id,
        reason=silence.reason,
        created_by=silence.created_by,
        created_at=silence.created_at,
        until_at=silence.until_at,
    )
