"""Attaches to a new incident, once, what the runbook's queries and the provider's page say then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.log import get_logger
from mentalspace.engine.outbound import open_client
from mentalspace.engine.runbook import Check, CheckKind, Issue, Runbooks
from mentalspace.engine.services import Services
from mentalspace.workflows.doctor import StatusLine, read_status
from mentalspace.workflows.doctor.queries import Answer, run_check

# All of it together; what was not asked by then is written down as not asked.
WITHIN_S = 30.0
# Longer than a worker may take, so that no two ask for one.
LEASE_S = 60.0
MOST_QUERIES = 12

log = get_logger(__name__)

_TAKE = """
update incident set evidence_lease = clock_timestamp() + $1 * interval '1 s'
 where id = (select id from incident
              where evidence_at is null
                and coalesce(evidence_lease <= clock_timestamp(), true)
              order by opened_at limit 1 for update skip locked)
returning id, rule_id, case_id, integration, credential_id
"""
_ABOUT = "select provider, live from credential where id = $1"
_KEEP = """
insert into incident_evidence
  (incident_id, place, kind, title, source, version, asked, said, problem)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing
"""
_READ = """
select kind, title, source, version, asked, said, problem, taken_at
  from incident_evidence where incident_id = $1 order by place
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer as it was when the incident opened. A query has `columns` and `rows`; a status
    page has `indicator` and `description`."""

    kind: str
    title: str
    source: str
    version: int | None
    asked: str
    problem: str | None
    taken_at: datetime
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0
    indicator: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: str
    title: str
    source: str
    version: int | None
    asked: str
    said: dict[str, Any]
    problem: str | None


def checks_of(runbooks: Runbooks, case_id: str | None, rule_id: str) -> list[tuple[Issue, Check]]:
    """Every SQL check of the issues that name this case, or that this rule names; where none does,
    of all issues of its room."""
    if (house := runbooks.house_issue(rule_id)) is not None:
        return [(house, check) for check in house.diagnosis if check.kind is CheckKind.SQL]
    named = next((rule.issue for rule in runbooks.alerts if rule.id == rule_id), None)
    rooms = [room for room in runbooks.rooms if rule_id.startswith(f"{room.room}.")]
    issues = [issue for room in rooms for issue in room.issues]
    fitting = [
        issue
        for issue in issues
        if (case_id is not None and case_id in issue.cases) or issue.id == named
    ]
    return [
        (issue, check)
        for issue in fitting or issues
        for check in issue.diagnosis
        if check.kind is CheckKind.SQL
    ]


async def attach_evidence(services: Services) -> int:
    """For the oldest incident without any; how many. Does nothing twice, whoever else does it."""
    async with services.database.as_dispatcher() as connection:
        row = await connection.fetchrow(_TAKE, LEASE_S)
        if row is None:
            return 0
        about = await connection.fetchrow(_ABOUT, row["credential_id"])
    asked = await _ask(services, row, about)
    async with services.database.as_dispatcher() as connection:
        await _keep(connection, row["id"], asked)
    log.info("evidence_attached", incident_id=row["id"], count=len(asked))
    return 1


async def read_evidence(connection: Connection, incident_id: UUID) -> list[Kept]:
    """In the order in which it is shown; empty until a worker has asked. Runs as on-call."""
    return [_kept(row) for row in await connection.fetch(_READ, incident_id)]


async def _ask(services: Services, row: Any, about: Any) -> list[_Asked]:
    checks = checks_of(services.runbooks, row["case_id"], row["rule_id"])[:MOST_QUERIES]
    asked: list[_Asked] = []
    try:
        async with asyncio.timeout(WITHIN_S):
            status = await _status_page(services, row["integration"], about)
            asked += [_of_page(status)] if status is not None else []
            for issue, check in checks:
                answer = await run_check(services.database.as_oncall, issue, check)
                asked.append(_of_query(answer))
    except TimeoutError:
        done = sum(one.kind == "query" for one in asked)
        asked += [
            _of_query(Answer(issue, check.title, check.run, problem="There was no time to ask it."))
            for issue, check in checks[done:]
        ]
    return asked


async def _status_page(services: Services, integration: str, about: Any) -> StatusLine | None:
    room = services.rooms.get(integration)
    known = [provider.name for provider in room.providers] if room else []
    if room is None or about is None or about["provider"] not in known:
        return None
    async with open_client(live=about["live"]) as client:
        provider = room.provider(about["provider"])
        return await read_status(services, room.name, provider, about["live"], client)


def _of_page(line: StatusLine) -> _Asked:
    said = {"indicator": line.indicator, "description": line.description}
    title = f"{line.provider}’s status page"
    return _Asked("status_page", title, line.provider, None, line.url, said, line.problem)


def _of_query(answer: Answer) -> _Asked:
    said = {
        "columns": list(answer.columns),
        "rows": [list(row) for row in answer.rows],
        "more": answer.more,
    }
    issue = answer.issue
    return _Asked("query", answer.title, issue.id, issue.version, answer.sql, said, answer.problem)


async def _keep(connection: Connection, incident_id: UUID, asked: Sequence[_Asked]) -> None:
    for place, one in enumerate(asked):
        await connection.execute(
            _KEEP,
            incident_id,
            place,
            one.kind,
            one.title,
            one.source,
            one.version,
            one.asked,
            one.said,
            one.problem,
        )
    await connection.execute(
        "update incident set evidence_at = app.now(), evidence_lease = null where id = $1",
        incident_id,
    )


def _kept(row: Any) -> Kept:
    said = row["said"]
    return Kept(
        row["kind"],
        row["title"],
        row["source"],
        row["version"],
        row["asked"],
        row["problem"],
        row["taken_at"],
        columns=tuple(said.get("columns", ())),
        rows=tuple(tuple(cells) for cells in said.get("rows", ())),
        more=said.get("more", 0),
        indicator=said.get("indicator"),
        description=said.get("description"),
    )
