"""The alert rules' pages: where each stands and stood, when it was proven to fire, and silences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from starlette.responses import Response

from mentalspace.console.chart import Chart
from mentalspace.console.charts.strip import Stretch, draw_strip
from mentalspace.console.door import Missing, Visit
from mentalspace.console.words import State as Shown
from mentalspace.engine.alert_board import BoardLine, Standing, read_board
from mentalspace.engine.alert_history import Change, Pair, read_changes
from mentalspace.engine.alert_silence import (
    LONGEST_REASON,
    NewSilence,
    add_silence,
    lift_silence,
    past_silences,
    standing_silences,
)
from mentalspace.engine.db import Connection
from mentalspace.engine.house_board import HouseLine, read_house
from mentalspace.engine.runbook import AlertRule
from mentalspace.engine.watch.state import URGENCY, State
from mentalspace.kernel.errors import Refused

STATES: Mapping[State, Shown] = {
    State.NORMAL: Shown("Normal", "ok", "it does not hold"),
    State.PENDING: Shown("Pending", "warn", "it holds, and not yet for long enough"),
    State.ALERTING: Shown("Alerting", "bad", "it holds"),
    State.RECOVERING: Shown("Recovering", "warn", "it no longer holds, and is watched for a while"),
    State.NO_DATA: Shown("No data", "idle", "nothing to judge by, which is not the same as well"),
    State.ERROR: Shown("Error", "bad", "it could not be evaluated: nobody would be told"),
}
_DONE = {
    "silenced": "Silenced. It is evaluated and shown as ever; if it still holds when the silence"
    " ends, it pages then.",
    "lifted": "The silence is lifted. What holds opens its incident within seconds.",
    "too_late": "Nothing changed: it had ended already.",
}
HOURS = (1, 4, 12, 24, 72, 168)
PAGE = 50
SPAN = timedelta(hours=24)
_CHANGES = 30
_NUMBER = re.compile(r"[0-9]{1,3}")


async def alerts(visit: Visit) -> Response:
    async with (
        visit.reading() as connection,
        visit.services.database.as_oncall() as overseer,
    ):
        silences = await standing_silences(connection)
        past = await past_silences(connection)
        board = await read_board(
            connection, overseer, visit.services.runbooks, silences, visit.person.practice_id
        )
        now = await connection.fetchval("select app.now()")
        shown = [(line.rule.id, line.worst[0].credential_id) for line in board if line.worst]
        changes = await read_changes(connection, shown, now - SPAN)
        house = await _house(visit, overseer)
    calm: dict[str, list[BoardLine]] = {}
    for line in board:
        if not _is_urgent(line):
            calm.setdefault(line.integration, []).append(line)
    urgent = sorted(
        (line for line in board if _is_urgent(line)), key=lambda line: URGENCY.index(line.state)
    )
    return await visit.show(
        "alerts.html",
        urgent=urgent,
        calm=calm,
        states=STATES,
        strips={rule: _strip(told, now) for (rule, _), told in changes.items()},
        silences=silences,
        past=past,
        house=house,
        firing_now=[line for line in house if line.firing],
        declared=visit.services.runbooks.declared,
        titles={rule.id: rule.title for rule in visit.services.runbooks.alerts},
        may_act=visit.person.may("incidents.act"),
        done=_DONE.get(visit.query("done")),
    )


async def _house(visit: Visit, overseer: Connection, rule_id: str | None = None) -> list[HouseLine]:
    """The house's own rules are no practice's: whoever belongs to one sees none of them."""
    if visit.person.practice_id is not None:
        return []
    return await read_house(overseer, visit.services.runbooks, rule_id)


def _is_urgent(line: BoardLine) -> bool:
    """Somebody looks at it first: it does not stand calm, or it is kept from paging."""
    silenced = any(each.silence for each in line.worst)
    return silenced or line.state not in (State.NORMAL, State.NO_DATA)


async def rule(visit: Visit) -> Response:
    """One rule with every credential, the most urgent first, and how each came to stand so."""
    rule_id = str(visit.request.path_params["rule"])
    number = int(visit.query("page")) if _NUMBER.fullmatch(visit.query("page")) else 1
    async with (
        visit.reading() as connection,
        visit.services.database.as_oncall() as overseer,
    ):
        silences = await standing_silences(connection)
        board = await read_board(
            connection,
            overseer,
            visit.services.runbooks,
            silences,
            visit.person.practice_id,
            rule_id=rule_id,
            first=PAGE * (max(number, 1) - 1),
            shown=PAGE,
        )
        if not board:
            return await _of_house(visit, await _house(visit, overseer, rule_id))
        line, now = board[0], await connection.fetchval("select app.now()")
        pairs = [(rule_id, each.credential_id) for each in line.worst]
        changes = await read_changes(connection, pairs, now - SPAN)
    return await visit.show(
        "alert_rule.html",
        line=line,
        rule=line.rule,
        cases=[visit.services.runbooks.case(case) for case in line.rule.cases],
        states=STATES,
        strips=_strips(changes, now),
        changes=_latest(line.worst, changes, now),
        silences=[s for s in silences if s.covers(line.integration, rule_id, None)],
        number=max(number, 1),
        pages=ceil(line.number / PAGE),
        may_act=visit.person.may("incidents.act"),
    )


async def _of_house(visit: Visit, lines: Sequence[HouseLine]) -> Response:
    if not lines:
        raise Missing
    return await visit.show(
        "alert_house.html",
        line=lines[0],
        issue=visit.services.runbooks.house_issue(lines[0].rule.id),
    )


def _strip(changes: Sequence[Change], now: datetime) -> Chart:
    """The day in which it was anything but normal, oldest first."""
    since = now - SPAN
    ends: list[datetime | None] = [*(change.at for change in changes[1:]), None]
    stretches = [
        Stretch(change.state.value, max(change.at, since), until)
        for change, until in zip(changes, ends, strict=True)
        if change.state is not State.NORMAL and (until is None or until > since)
    ]
    return draw_strip(stretches, since, now, "Normal for the last 24 hours.")


def _strips(changes: Mapping[Pair, Sequence[Change]], now: datetime) -> dict[UUID, Chart]:
    return {each: _strip(told, now) for (_, each), told in changes.items()}


def _latest(
    standings: Sequence[Standing], changes: Mapping[Pair, Sequence[Change]], now: datetime
) -> list[tuple[Standing, Change]]:
    """The day's changes of them all, the latest first."""
    whose = {each.credential_id: each for each in standings}
    told = [
        (whose[credential_id], change)
        for (_, credential_id), each in changes.items()
        for change in each
        if change.at > now - SPAN
    ]
    return sorted(told, key=lambda one: one[1].at, reverse=True)[:_CHANGES]


async def ask(visit: Visit) -> Response:
    """The form of a silence, about one rule and one practice if the link named them."""
    return await _form(visit, rule=_rule(visit, visit.query("rule")))


async def silence(visit: Visit) -> Response:
    rule = _rule(visit, visit.field("rule"))
    hours = visit.field("hours")
    practice = visit.field("practice")
    new = NewSilence(
        rule_id=rule.id if rule else None,
        integration=visit.field("integration") or None,
        practice_id=_id(practice) if practice else None,
        reason=visit.field("reason"),
        lasts=timedelta(hours=int(hours) if _NUMBER.fullmatch(hours) else 0),
    )
    try:
        async with visit.services.database.as_oncall(visit.person.claims()) as connection:
            await add_silence(connection, visit.services.runbooks, new, visit.person.name)
    except Refused as error:
        return await _form(visit, rule=rule, problem=str(error), http=422)
    return visit.go("/alerts?done=silenced")


async def lift(visit: Visit) -> Response:
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        lifted = await lift_silence(connection, visit.id(), visit.person.name)
    return visit.go(f"/alerts?done={'lifted' if lifted else 'too_late'}")


async def _form(
    visit: Visit, *, rule: AlertRule | None, problem: str | None = None, http: int = 200
) -> Response:
    async with visit.reading() as connection:
        practices = await connection.fetch(
            "select id, name from practice where not is_drill order by name"
        )
    read = visit.field if problem else visit.query
    return await visit.show(
        "alert_silence.html",
        http=http,
        rule=rule,
        rooms=[room.room for room in visit.services.runbooks.rooms],
        practices=practices,
        hours=HOURS,
        longest=LONGEST_REASON,
        given={name: read(name) for name in ("integration", "practice", "reason", "hours")},
        problem=problem,
    )


def _rule(visit: Visit, rule_id: str) -> AlertRule | None:
    """None for none. Raises Missing for one there is not."""
    if not rule_id:
        return None
    try:
        return visit.services.runbooks.alert(rule_id)
    except LookupError as error:
        raise Missing from error


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise Missing from error
