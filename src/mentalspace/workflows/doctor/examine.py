"""Looks at every credential of a room, its providers' status pages, its rates and its rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias
from uuid import UUID

from mentalspace.engine.adapters import Adapters
from mentalspace.engine.agreement import standings
from mentalspace.engine.credential_check import read_checked
from mentalspace.engine.heard import read_heard
from mentalspace.engine.mornings import read_mornings
from mentalspace.engine.outbound import Client, DeadlinedHttp, open_client
from mentalspace.engine.rates import DAY_S, SPANS, Rates, Reading, read_rates
from mentalspace.engine.resolver import Resolver
from mentalspace.engine.room_gauges import Gauge, read_gauges, worst_of_each
from mentalspace.engine.runbook import (
    AlertRule,
    AlertState,
    CheckKind,
    Measure,
    Metric,
    RoomRunbook,
)
from mentalspace.engine.services import Services
from mentalspace.engine.slots import read_tight_slots
from mentalspace.engine.status_page import read_status_page
from mentalspace.engine.watch.state import URGENCY
from mentalspace.kernel.checkup import DnsAnswer, LookUp, State, Whose
from mentalspace.kernel.errors import Refused
from mentalspace.kernel.integration import Provider
from mentalspace.workflows.doctor.credentials import (
    CREDENTIALS,
    call,
    callbacks,
    finding,
    going_live,
    health,
    line,
    look_ups,
    of_lately,
)
from mentalspace.workflows.doctor.files import look_at_files
from mentalspace.workflows.doctor.first_step import first_step
from mentalspace.workflows.doctor.judged import as_judged, read_judged
from mentalspace.workflows.doctor.lately import read_troubles
from mentalspace.workflows.doctor.lives import look_at_lives
from mentalspace.workflows.doctor.queries import Answer, run_check
from mentalspace.workflows.doctor.queries import Reading as ReadAs
from mentalspace.workflows.doctor.report import (
    AlertLine,
    CredentialLine,
    Report,
    RoomFinding,
    StatusLine,
)
from mentalspace.workflows.doctor.test_mode import read_test_modes
from mentalspace.workflows.doctor.touched import Touched, read_all_touched, read_touched
from mentalspace.workflows.doctor.verdict import judge
from mentalspace.workflows.doctor.way_in import look_at_ways_in
from mentalspace.workflows.doctor.way_out import WayOut, look_at_way_out
from mentalspace.workflows.impact import together_words
from mentalspace.workflows.impact.together import Together, read_all_together

# So many credentials are asked at once.
AT_ONCE = 8
STATUS_WITHIN_S = 3.0
# More than so many credentials are counted, not named.
NAMED = 3
# What is found of our calls to a provider.
CALLS = ("provider", "breaker", "calls")

_STATES = """
select a.rule_id, a.state, a.since, c.provider || '/' || c.endpoint as subject
  from alert_state a join credential c on c.id = a.credential_id
 where c.id = any ($1)
"""
_INCIDENTS = """
select i.rule_id, i.since, i.recovered_at, c.provider || '/' || c.endpoint as subject, i.fault,
       i.facts ->> 'first_step' as first_step, i.severity in ('critical', 'high') as is_grave
  from incident i join credential c on c.id = i.credential_id
 where i.status <> 'resolved' and c.id = any ($1)
"""


Look: TypeAlias = Callable[[Services, UUID | None], Awaitable[list[RoomFinding]]]

# What is looked at in a room beside its credentials, of one practice or of all.
_LOOKS: Mapping[str, Look] = MappingProxyType({"storage": look_at_files})


async def _nothing_more(_services: Services, _practice_id: UUID | None) -> list[RoomFinding]:
    return []


async def examine(
    services: Services,
    room: str | None,
    *,
    practice_id: UUID | None = None,
    reading: ReadAs | None = None,
) -> list[Report]:
    """A report for each room, or for one; of one practice's credentials if one is given.

    `reading` is as whom the runbook's queries run; on-call, if nobody is given. Raises Refused
    for a room there is not.
    """
    if room is not None and room not in services.rooms:
        raise Refused("no_such_room", f"there is no room {room!r}: {', '.join(services.rooms)}")
    async with services.database.as_oncall() as connection:
        rows = await connection.fetch(CREDENTIALS, room, practice_id)
    reports = []
    for name in services.rooms if room is None else [room]:
        own = [row for row in rows if row["integration"] == name]
        reports.append(await _report(services, name, own, practice_id, reading))
    return reports


async def _report(
    services: Services,
    room: str,
    rows: Sequence[Any],
    practice_id: UUID | None,
    reading: ReadAs | None,
) -> Report:
    book = services.runbooks.room(room)
    async with AsyncExitStack() as stack:
        clients = {
            live: await stack.enter_async_context(open_client(live=live)) for live in (False, True)
        }
        look = _LOOKS.get(room, _nothing_more)
        asked, status, answers, read, more, gauges = await asyncio.gather(
            _ask_all(services, rows, clients),
            _status_pages(services, room, rows, clients),
            _answers(book, reading or services.database.as_oncall),
            _from_ledger(services, book, rows, reading or services.database.as_oncall),
            look(services, practice_id),
            _gauges(services, book, practice_id),
        )
    (lines, called, domain), (rates, alerts, own) = asked, read
    domain = [*domain, *more]
    own = [*own, *(_of_gauge(room, metric, gauge) for metric, gauge in gauges)]
    now, touched = await _now(services, [row["id"] for row in rows])
    findings = [*called, *domain, *own]
    troubled = any(f.state == "bad" and f.check in CALLS for f in findings)
    findings += [_of_status(room, said, troubled) for said in status]
    verdict = judge(findings)
    return Report(
        room=room,
        title=book.overview.title,
        now=now,
        verdict=verdict,
        overview=book.overview,
        credentials=lines,
        domain=domain,
        status=[replace(said, lags=_lags(services, room, said, findings)) for said in status],
        rates=rates,
        alerts=[
            replace(one, first_step=first_step(book, one, verdict, findings)) for one in alerts
        ],
        answers=answers,
        gauges=gauges,
        findings=findings,
        touched=touched,
    )


async def _ask_all(
    services: Services, rows: Sequence[Any], clients: Mapping[bool, Client]
) -> tuple[list[CredentialLine], list[RoomFinding], list[RoomFinding]]:
    """Every credential at its provider, a few at once; what many find alike is told once."""
    adapters = Adapters(
        services.database, services.vault, services.rooms, clients, services.settings.site_url
    )
    turn, resolvers = asyncio.Semaphore(AT_ONCE), _resolvers(services)

    async def one(row: Any) -> tuple[RoomFinding, list[RoomFinding]]:
        async with turn:
            return await call(services, adapters, row, resolvers[row["live"]])

    answered = await asyncio.gather(*(one(row) for row in rows))
    async with services.database.as_oncall() as connection:
        standing = {found.credential_id: found for found in await standings(connection)}
        ids = [row["id"] for row in rows]
        touched = await read_touched(connection, ids)
        heard = await read_heard(connection, services.rooms, ids)
        troubles = await read_troubles(connection, services.runbooks, services.rooms, ids)
        checked = await read_checked(connection)
        judged = await read_judged(connection, ids)
        tests = await read_test_modes(connection, services.runbooks, ids)
        resting = [row["id"] for row in rows if row["resting"]]
        mornings = await read_mornings(connection, resting) if resting else {}
    silent = [row["id"] for row in rows if row["refused"] or heard[row["id"]].is_suspicious]
    ways_in = await look_at_ways_in(services, silent)
    lines: list[CredentialLine] = []
    findings: list[RoomFinding] = []
    domain: list[RoomFinding] = []
    well = {
        row["provider"]
        for row, (called, _) in zip(rows, answered, strict=True)
        if called.state == "good"
    }
    for row, (answer, examined) in zip(rows, answered, strict=True):
        own_judged = judged.get(row["id"])
        called = as_judged(answer, own_judged)
        if called == answer and answer.unreached and row["provider"] in well:
            called = entered(answer)
        price = services.runbooks.room(row["integration"]).overview.look_up_price
        provider = services.rooms[row["integration"]].provider(row["provider"])
        own = [*examined, *look_ups(row, provider, price)]
        morning = mornings.get(row["id"])
        lines.append(
            line(row, called, touched.get(row["id"], Touched()), heard[row["id"]], morning)
        )
        findings.append(called)
        if (found := standing.get(row["id"])) is not None:
            findings += going_live(services, found, row["practice_slug"], tests.get(row["id"]))
        mine = health(row, called, ways_in.get(row["id"]), morning)
        mine.append(callbacks(row, provider, heard[row["id"]]))
        mine += [of_lately(row, one) for one in troubles.get(row["id"], ())]
        if (flips := checked.get(row["id"])) is not None and flips.is_partly_bad:
            # The answer just now is one of several.
            whose: Whose = "ours" if flips.fault == "ours" else "theirs"
            mine.append(finding(row, "calls", "bad", flips.words, whose))
        findings += [as_judged(one, own_judged) for one in mine]
        domain += own
    return lines, findings, together(domain)


def entered(called: RoomFinding) -> RoomFinding:
    """Of a provider that others reach from here: the address is what was entered."""
    cure = "See that this is its address, and enter it again if not: others reach it from here"
    return replace(called, whose="ours", cure=cure)


def together(found: Sequence[RoomFinding]) -> list[RoomFinding]:
    """What several credentials of one provider find alike is told once, and of whom."""
    alike: dict[tuple[str, str, str], list[RoomFinding]] = {}
    for each in found:
        provider = each.subject.partition("/")[0]
        alike.setdefault((provider, each.check, each.text), []).append(each)
    return [
        replace(members[0], subject=_subject(provider, [each.subject for each in members]))
        for (provider, _, _), members in alike.items()
    ]


def _subject(provider: str, subjects: Sequence[str]) -> str:
    """`resend/lakeside, mesa`, or their number where they are many."""
    names = list(dict.fromkeys(subject.partition("/")[2] for subject in subjects))
    told = ", ".join(names) if len(names) <= NAMED else f"{len(names)} credentials"
    return f"{provider}/{told}"


def _resolvers(services: Services) -> dict[bool, LookUp]:
    """By whether the credential is live: the system's resolver, or the sandbox's name server."""
    emulated = ("127.0.0.1", services.settings.dns_port)
    return {False: _remembering(Resolver(emulated)), True: _remembering(Resolver(None))}


def _remembering(resolver: Resolver) -> LookUp:
    """Each question once in a report, however many credentials raise it."""
    asked: dict[tuple[str, str], asyncio.Task[DnsAnswer]] = {}

    async def look_up(name: str, kind: str) -> DnsAnswer:
        key = (name.lower(), kind)
        if key not in asked:
            asked[key] = asyncio.create_task(resolver.look_up(name, kind))
        return await asked[key]

    return look_up


# Status pages -----------------------------------------------------------------------------------


async def _status_pages(
    services: Services, room: str, rows: Sequence[Any], clients: Mapping[bool, Client]
) -> list[StatusLine]:
    used = sorted({(row["provider"], row["live"]) for row in rows})
    asked = [
        read_status(services, room, services.rooms[room].provider(name), live, clients[live])
        for name, live in used
    ]
    return [found for found in await asyncio.gather(*asked) if found is not None]


async def read_status(
    services: Services, room: str, provider: Provider, live: bool, client: Client
) -> StatusLine | None:
    """What the provider's page says now; None where it has none. A sandbox's stays here."""
    if provider.status_page is None:
        return None
    url = f"{services.settings.sandbox_url}/status/{room}/{provider.name}"
    if live:
        told = services.settings.environment.get(provider.status_page.env)
        url = told or provider.status_page.url
    said = await read_status_page(DeadlinedHttp(client, STATUS_WITHIN_S), url)
    return StatusLine(provider.title, url, said.indicator, said.description, said.problem)


def _of_status(room: str, said: StatusLine, troubled: bool) -> RoomFinding:
    """It weighs when we have trouble as well; by itself it is a warning."""
    if said.problem is not None:
        text = f"{said.provider}'s cannot be read: {said.problem}"
        return RoomFinding(room, said.provider, "status page", "warning", text)
    text = f"{said.provider} says: {said.description}"
    if said.indicator == "none":
        return RoomFinding(room, said.provider, "status page", "good", text)
    state: State = "bad" if troubled else "warning"
    return RoomFinding(room, said.provider, "status page", state, text, "theirs")


def _lags(services: Services, room: str, said: StatusLine, findings: Sequence[RoomFinding]) -> bool:
    """It says that all is well, and our own calls fail by the provider's fault."""
    if said.problem is not None or said.indicator != "none":
        return False
    bad = [f for f in findings if f.state == "bad"]
    ours = any(f.check == "way out" for f in bad)
    failing = {f.subject.partition("/")[0] for f in bad if f.check in CALLS and f.whose == "theirs"}
    return not ours and any(
        services.rooms[room].provider(name).title == said.provider for name in failing
    )


# The ledger -------------------------------------------------------------------------------------


async def _from_ledger(
    services: Services, book: RoomRunbook, rows: Sequence[Any], reading: ReadAs
) -> tuple[Rates, list[AlertLine], list[RoomFinding]]:
    ids = [row["id"] for row in rows]
    async with services.database.as_oncall() as connection:
        rates = await read_rates(
            connection, book.overview, book.recipient_cases, ids, SPANS, pooled=True
        )
        states = await connection.fetch(_STATES, ids)
        incidents = await connection.fetch(_INCIDENTS, ids)
        slots = await read_tight_slots(connection)
    way_out = await look_at_way_out(services)
    lives = await look_at_lives(services, book.room) if rows else []
    alerts = [_alert(rule, states, incidents) for rule in _live(book)]
    findings = [_of_reading(book.room, reading) for reading in rates.at(None, DAY_S)]
    findings += [
        RoomFinding(
            book.room,
            row["subject"],
            "alert",
            # A matter for the day is no failure of either side.
            "bad" if row["is_grave"] else "warning",
            services.runbooks.alert(row["rule_id"]).title,
            "theirs" if row["fault"] == "theirs" else "ours",
        )
        for row in incidents
        if row["recovered_at"] is None and _is_known(services, row["rule_id"])
    ]
    if slots is not None:
        findings.append(
            RoomFinding(
                book.room, "database", "connections", "bad", slots.words, "ours", slots.advice
            )
        )
    # Nobody is told how many people of others are touched.
    async with reading() as connection:
        together = await read_all_together(connection, services, way_out)
    findings += [_of_way_out(book.room, way_out, together)] if way_out is not None else []
    findings += [_of_ways(one) for one in together if one.integration == book.room]
    return rates, alerts, [*findings, *lives]


def _of_way_out(room: str, way_out: WayOut, together: Sequence[Together]) -> RoomFinding:
    """Each room's own provider looks broken by it; whom it touches in all rooms is told in each."""
    text = f"{way_out.words}, since {way_out.since:%H:%M:%S} UTC"
    if way_out.tried is not None:
        text += f". Tried at {way_out.tried.at:%H:%M:%S} UTC: {way_out.tried.words}"
    for one in together:
        if one.kind == "way_out":
            text += f". {together_words.plain(together_words.sums(one), _moment)}".removesuffix(".")
    return RoomFinding(room, "host", "way out", "bad", text, "ours", way_out.advice)


def _of_ways(told: Together) -> RoomFinding:
    """Of a practice, several ways of the room at once; each has a finding of its own besides."""
    where = told.practice or f"{told.practices:,} practices"
    text = together_words.plain(together_words.line(told), _moment).removesuffix(".")
    return RoomFinding(told.integration or "", where, "ways out", "bad", text)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _live(book: RoomRunbook) -> list[AlertRule]:
    return [rule for rule in book.overview.alerts if rule.state is AlertState.LIVE]


def _is_known(services: Services, rule_id: str) -> bool:
    return any(rule.id == rule_id for rule in services.runbooks.alerts)


def _alert(rule: AlertRule, states: Sequence[Any], incidents: Sequence[Any]) -> AlertLine:
    """The most urgent of its states; before the first look, as its incidents are."""
    mine = [(r["state"], r["since"], r["subject"]) for r in states if r["rule_id"] == rule.id]
    mine = mine or [
        ("recovering" if row["recovered_at"] else "alerting", row["since"], row["subject"])
        for row in incidents
        if row["rule_id"] == rule.id
    ]
    if not mine:
        return AlertLine(rule, "no_data", None, None)
    state, since, subject = min(mine, key=lambda found: URGENCY.index(found[0]))
    told = next(
        (r["first_step"] for r in incidents if (r["rule_id"], r["subject"]) == (rule.id, subject)),
        None,
    )
    return AlertLine(rule, state, since, subject, told)


def _of_reading(room: str, reading: Reading) -> RoomFinding:
    metric = reading.metric
    target = f"target {metric.op.value} {metric.target_text}"
    text = f"{metric.title} {reading.text} in 24 h, {target}"
    state: State = "warning" if reading.on_target is False else "good"
    return RoomFinding(
        room, metric.id, "rate", state, f"{text}{_late(reading) if state == 'warning' else ''}"
    )


def _late(reading: Reading) -> str:
    """That most messages arrived in time, and it is callbacks that came late."""
    times, metric = reading.times, reading.metric
    if metric.measure is not Measure.DELIVERY_TIME or times is None or times.p50 >= metric.target:
        return ""
    return f"; half were heard of within {max(1.0, times.p50):.0f} s: late callbacks make the rest"


async def _gauges(
    services: Services, book: RoomRunbook, practice_id: UUID | None
) -> list[tuple[Metric, Gauge]]:
    """Of each metric that the room measures itself the subject that is worst, of one practice or of
    all."""
    async with services.database.as_oncall() as connection:
        every = await read_gauges(connection, book.room)
    mine = [gauge for gauge in every if practice_id in (None, gauge.practice_id)]
    return worst_of_each(book.overview, mine)


def _of_gauge(room: str, metric: Metric, gauge: Gauge) -> RoomFinding:
    text = f"{metric.title}, {gauge.subject}: {gauge.seen}"
    state: State = "warning" if gauge.on_target(metric) is False else "good"
    return RoomFinding(room, metric.id, "measured", state, text)


async def _answers(book: RoomRunbook, reading: ReadAs) -> list[Answer]:
    """The queries whose rows belong on the doctor's screen, in the runbook's order."""
    return [
        await run_check(reading, issue, check)
        for issue in book.issues
        for check in issue.diagnosis
        if check.kind is CheckKind.SQL and check.on_screen
    ]


async def _now(services: Services, ids: Sequence[UUID]) -> tuple[datetime, Touched]:
    async with services.database.as_oncall() as connection:
        now: datetime = await connection.fetchval("select app.now()")
        return now, await read_all_touched(connection, ids)
