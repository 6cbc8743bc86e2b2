"""Incident pages: whose it is, how many people, what was done, and which button is safe."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from mentalspace.console import former, impact_words, remedy, test_mode, words
from mentalspace.console.audit_words import DEEDS
from mentalspace.console.diagnosis import beside, causes_of, diagnose
from mentalspace.console.door import Missing, Visit
from mentalspace.console.narrate import deeds, narrate
from mentalspace.console.queries.ends import read_ended, read_followers
from mentalspace.console.queries.group import Group, read_whole
from mentalspace.console.queries.house import read_zones
from mentalspace.console.queries.incident import (
    archived_incidents,
    find_incident,
    open_incidents,
    read_pages,
    recent_incidents,
)
from mentalspace.console.queries.listed import people_of
from mentalspace.console.queries.processes import read_standstill
from mentalspace.console.queries.recovering import read_answered
from mentalspace.console.queries.refused import read_refused
from mentalspace.console.queries.shared import read_shared, read_started
from mentalspace.console.recommend import SWITCH_OFF, Seen, began_with, button_first, recommend
from mentalspace.console.status_text import status_text
from mentalspace.console.stuck import STUCK
from mentalspace.console.verdict import (
    not_the_network,
    our_own_calls,
    part_of,
    shows_way_out,
    verdict,
)
from mentalspace.engine.acknowledged import owe, owed_by
from mentalspace.engine.archive import archive, unarchive
from mentalspace.engine.credential_check import note_good_answer
from mentalspace.engine.db import Connection
from mentalspace.engine.former import Former, read_former
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.incident_task import tasks_of
from mentalspace.engine.incidents import acknowledge, resolve
from mentalspace.engine.mornings import Morning, read_mornings, together
from mentalspace.engine.outbound import open_client
from mentalspace.engine.remedy import Preflight, read_standing
from mentalspace.engine.runbook import AlertKind, AlertRule, Issue, markdown_html
from mentalspace.engine.taken import Taken, read_taken
from mentalspace.kernel.case import ErrorCase, Severity
from mentalspace.kernel.integration import Provider
from mentalspace.workflows.doctor import StatusLine, Witness, ask_around, read_status
from mentalspace.workflows.doctor.queries import Answer
from mentalspace.workflows.doctor.way_in import WayIn, look_at_ways_in
from mentalspace.workflows.doctor.way_out import look_at_way_out, read_way_out
from mentalspace.workflows.evidence import read_evidence
from mentalspace.workflows.former_secret import ask_former
from mentalspace.workflows.impact.about import About, about_of
from mentalspace.workflows.impact.together import read_all_together, read_together

# What undoes another act.
_SETS_GOING = ("resume", "automatic", "replay")

# A key that is refused is not tried again by everybody who looks.
_ASKED_LATELY = timedelta(seconds=30)


async def incidents(visit: Visit) -> Response:
    async with visit.services.database.as_oncall() as connection:
        way_out = await read_way_out(connection, visit.services.rooms)
    async with visit.reading() as connection:
        opened = await open_incidents(connection)
        people = await people_of(connection, visit.services.runbooks, opened)
        together = await read_all_together(connection, visit.services, way_out)
        archived = await archived_incidents(connection)
        recent = await recent_incidents(connection)
    return await visit.show(
        "incidents.html",
        opened=opened,
        archived=archived,
        recent=recent,
        way_out=way_out,
        people=people,
        together=together,
    )


async def incident(visit: Visit) -> Response:
    async with visit.reading() as connection:
        found = await find_incident(connection, visit.id())
        if found is None:
            raise Missing
        about = about_of(visit.services.runbooks, found["rule_id"])
        whole, facts, group = await read_whole(connection, found, about)
        zones = await _zones(connection, found, group)
        shared = await read_shared(connection, whole, group, about, _titles(visit, found))
    async with visit.services.database.as_oncall() as connection:
        pages = await read_pages(connection, found["id"])
        todo = await tasks_of(connection, found["id"])
        standing = await read_standing(connection, found["id"])
        standstill = await read_standstill(connection, found)
        ended = await read_ended(connection, found)
        followers = await read_followers(connection, found)
        owed = (await owed_by(connection)).get(found["id"])
        started = await read_started(connection, shared)
        refused_hooks = await read_refused(
            connection, found["credential_id"], _provider(visit, found)
        )
        kept = await read_former(connection, found["credential_id"])
        # Its queries have seen every practice.
        evidence = await read_evidence(connection, found["id"]) if visit.is_oncall else []
    way_out = None
    if found["status"] != "resolved":
        way_out = await look_at_way_out(visit.services)
    async with visit.reading() as connection:
        together = await read_together(connection, visit.services, whole, way_out)
    provider = visit.provider_title(found["integration"], found["provider"])
    case, rule = _case(visit, found["case_id"]), _rule(visit, found["rule_id"])
    way_in = await _way_in(visit, found, rule, group)
    # All are asked when a person opens the page, not at every refresh of it.
    checks: list[Answer] = []
    status_page = witness = None
    if not visit.is_fragment:
        checks, status_page, witness, kept = await asyncio.gather(
            diagnose(visit, found["case_id"], found["rule_id"]),
            _status_page(visit, found),
            _witness(visit, found, group, rule),
            _former(visit, whole, kept),
        )
    answered_at = await _answered_at(visit, found, group, case, witness)
    morning = await _morning(visit, found, group, facts)
    apart = facts["apart"]
    case_apart = _case(visit, apart.case_id) if apart else None
    part = part_of(whole, facts)
    issue = _issue(visit, rule, found["rule_id"])
    way_out = way_out if shows_way_out(whole, provider, way_out) else None
    buttons = _fitting(await remedy.buttons(visit, found, standing), about)
    refused_now = refused_hooks if found["status"] != "resolved" else None
    advised = recommend(
        Seen(
            incident=whole,
            provider=provider,
            case=case,
            rule=rule,
            group=group,
            buttons=buttons,
            refused=refused_now,
            standstill=standstill,
            end=ended.last if ended else None,
            way_out=way_out is not None,
            next_attempt_at=facts["impact"]["next_attempt_at"],
            of_callbacks=way_in.advice if way_in else None,
            answered_at=answered_at,
            switched_off=impact_words.switched_off(facts["impact"])
            if words.test_mode(whole)
            else None,
            former=kept,
            ours_apart=case_apart if part is not None and part.whose == "ours" else None,
        )
    )
    return await visit.show(
        "incident.html",
        incident=whole,
        together=together,
        facts=facts,
        impact_words=impact_words,
        morning=morning,
        standstill=standstill,
        ended=ended,
        followers=followers,
        owed=owed,
        shared=shared,
        started=started,
        deeds=DEEDS,
        refused_hooks=refused_now,
        way_in=way_in,
        advised=advised,
        over_about=_over_about(whole, rule),
        # Its prose is rendered without any tag of its own.
        advised_says=Markup(markdown_html(advised.says)) if advised else None,  # noqa: S704
        credential_link=f"/credentials/{found['credential_id']}",
        about=about,
        is_house=found["integration"] == HOUSE,
        group=group,
        struck=_struck(group, facts),
        pages=pages,
        todo=todo,
        provider=provider,
        story=narrate(
            facts["story"],
            provider,
            _titles(visit, found),
            opened_at=found["opened_at"],
        ),
        did=deeds(facts["story"], provider, _titles(visit, found)),
        verdict=verdict(
            whole, facts, provider, case_apart.title if case_apart else None, about.kind
        ),
        way_out=way_out,
        status_text=status_text(whole, facts, group.practices if group else 1, about.kind, zones),
        rung=visit.services.runbooks.escalation.rung(Severity(found["severity"])),
        rule=rule,
        case=case,
        # Its prose is rendered without any tag of its own.
        case_body=Markup(markdown_html(case.body)) if case else None,  # noqa: S704
        issue=issue,
        issue_body=Markup(markdown_html(issue.body)) if issue else None,  # noqa: S704
        diagnosis=beside(evidence, checks, causes_of(visit.services.runbooks, found)),
        own_calls=our_own_calls(whole, facts),
        not_the_network=not_the_network(facts["latest"], provider),
        status_then=next((one for one in evidence if one.kind == "status_page"), None),
        status_page=status_page,
        witness=witness,
        may_act=visit.person.may("incidents.act"),
        buttons=button_first(buttons, advised),
        former=kept,
        standing=standing,
        done=words.INCIDENT_DONE.get(visit.query("done"))
        or (former.told(visit.query("count")) if visit.query("done") == "bring_back" else None)
        or (test_mode.TOLD if visit.query("done") == SWITCH_OFF else None)
        or remedy.told(
            visit.query("done"), visit.query("count"), visit.query("places"), visit.query("not")
        ),
    )


def _fitting(buttons: Sequence[Preflight], about: About) -> list[Preflight]:
    """Whoever wants no more is not helped by lanes that stand still; a lane can be set going."""
    return [one for one in buttons if not about.leavers or one.name in _SETS_GOING]


def _struck(group: Group | None, facts: Mapping[str, Any]) -> list[tuple[Any, int]]:
    """The practices of a group and how many people each adds, the worst struck first."""
    members = group.members if group else ()
    counted = facts["by_incident"]
    struck = [(m, counted[m["id"]]["people"] if m["id"] in counted else 0) for m in members]
    return sorted(struck, key=lambda one: -one[1])


async def take(visit: Visit) -> Response:
    """Whatever is locked: what cannot be written down now is owed."""
    try:
        return await _act(visit, acknowledge, "acknowledged")
    except STUCK:
        person = visit.person
        await owe(visit.services.database, visit.id(), person.name, person.claims())
        return visit.go(f"/incidents/{visit.id()}?done=owed")


async def close(visit: Visit) -> Response:
    return await _act(visit, resolve, "resolved")


async def put_away(visit: Visit) -> Response:
    return await _act(visit, archive, "archived")


async def take_out(visit: Visit) -> Response:
    return await _act(visit, unarchive, "unarchived")


async def _act(
    visit: Visit, action: Callable[[Connection, UUID, str], Awaitable[bool]], word: str
) -> Response:
    incident_id = visit.id()
    async with visit.services.database.as_oncall(visit.person.claims()) as connection:
        # Of its own table alone, so that a lock on another is in nobody's way.
        if not await connection.fetchval("select true from incident where id = $1", incident_id):
            raise Missing
        changed = await action(connection, incident_id, visit.person.name)
    return visit.go(f"/incidents/{incident_id}?done={word if changed else 'too_late'}")


def _titles(visit: Visit, found: Any) -> Callable[[str], str]:
    return lambda name: visit.provider_title(found["integration"], name)


def _provider(visit: Visit, found: Any) -> Provider | None:
    room = visit.services.rooms.get(found["integration"])
    known = [] if room is None else [p for p in room.providers if p.name == found["provider"]]
    return known[0] if known else None


async def _way_in(
    visit: Visit, found: Any, rule: AlertRule | None, group: Group | None
) -> WayIn | None:
    """Of an incident of callbacks that are missing, while they are; its counts are the group's."""
    over = found["status"] == "resolved" or found["recovered_at"] is not None
    if rule is None or rule.kind is not AlertKind.CALLBACKS or over:
        return None
    ways = await look_at_ways_in(visit.services, [found["credential_id"]])
    way_in = ways.get(found["credential_id"])
    if way_in is None or group is None:
        return way_in
    known, cases = _known(found, group), visit.services.runbooks.recipient_cases
    async with visit.services.database.as_oncall() as connection:
        taken = await read_taken(connection, known, cases, known)
    return replace(way_in, taken=sum(taken.values(), Taken()))


async def _status_page(visit: Visit, found: Any) -> StatusLine | None:
    """What the provider's own page says now; a slow one costs three seconds, once."""
    room = visit.services.rooms.get(found["integration"])
    if room is None or found["provider"] not in [p.name for p in room.providers]:
        return None
    async with open_client(live=found["live"]) as client:
        provider = room.provider(found["provider"])
        return await read_status(visit.services, room.name, provider, found["live"], client)


async def _witness(
    visit: Visit, found: Any, group: Group | None, rule: AlertRule | None
) -> Witness | None:
    """What the provider answers just now, while that says whose it is; others' credentials are
    on-call's to ask. Of what our own rules refuse no answer of the provider's speaks."""
    if rule is not None and rule.kind is AlertKind.REFUSED:
        return None
    if not visit.is_oncall or found["credential_id"] is None or found["resolved_at"] is not None:
        return None
    if found["integration"] not in visit.services.rooms or found["drill"] is not None:
        return None
    return await ask_around(visit.services, found["credential_id"], _known(found, group))


async def _former(visit: Visit, incident: Any, kept: Former | None) -> Former | None:
    """Asked of what fails since another was entered, when on-call opens the page; its button's page
    asks of any."""
    over = incident["status"] == "resolved" or incident["recovered_at"] is not None
    if kept is None or over or began_with(incident, kept) is None or not visit.is_oncall:
        return kept
    if kept.answered_at and visit.services.clock.now() - kept.answered_at < _ASKED_LATELY:
        return kept
    await ask_former(visit.services, incident, kept)
    async with visit.services.database.as_oncall() as connection:
        return await read_former(connection, kept.credential_id)


async def _answered_at(
    visit: Visit, found: Any, group: Group | None, case: ErrorCase | None, witness: Witness | None
) -> datetime | None:
    """A good answer to whoever opens the page is kept as our own check's would be, so that the page
    does not say otherwise at its next refresh."""
    if found["status"] == "resolved" or found["credential_id"] is None:
        return None
    known = _known(found, group)
    if witness is not None and witness.own.state == "good":
        async with visit.services.database.as_dispatcher() as connection:
            await note_good_answer(connection, found["credential_id"])
    async with visit.services.database.as_oncall() as connection:
        return await read_answered(connection, known, case)


async def _zones(connection: Connection, found: Any, group: Group | None) -> Sequence[str]:
    """The practices' whom it touches, each once, those of most of them first; the house's are
    everybody's."""
    if found["integration"] == HOUSE:
        return await read_zones(connection)
    zones = Counter(m["timezone"] for m in group.members if m["timezone"]) if group else Counter()
    return [zone for zone, _number in zones.most_common()]


async def _morning(
    visit: Visit, found: Any, group: Group | None, facts: Mapping[str, Any]
) -> Morning | None:
    """From when on what waits for its hours may leave; of the house, of all practices."""
    if not facts["resting"]["messages"]:
        return None
    known = None if found["credential_id"] is None else _known(found, group)
    async with visit.services.database.as_oncall() as connection:
        return together((await read_mornings(connection, known)).values())


def _known(found: Any, group: Group | None) -> list[UUID]:
    """The credentials that it is about."""
    return [m["credential_id"] for m in group.members] if group else [found["credential_id"]]


def _over_about(incident: Any, rule: AlertRule | None) -> datetime | None:
    """When one that is recovering may be told as over, while that is ahead."""
    since: datetime | None = incident["recovering_since"]
    return since + timedelta(seconds=rule.hold_s) if since is not None and rule else None


def _issue(visit: Visit, rule: AlertRule | None, rule_id: str) -> Issue | None:
    """The page a rule names for when no error case is behind it, or the house's own."""
    if (house := visit.services.runbooks.house_issue(rule_id)) is not None:
        return house
    found = [room.issue(rule.issue) for room in visit.services.runbooks.rooms] if rule else []
    return next((issue for issue in found if issue is not None), None)


def _rule(visit: Visit, rule_id: str) -> AlertRule | None:
    try:
        return visit.services.runbooks.alert(rule_id)
    except LookupError:
        return None


def _case(visit: Visit, case_id: Any) -> ErrorCase | None:
    """The case of today's runbook; an old incident may name one that is gone."""
    try:
        return visit.services.runbooks.case(case_id) if case_id else None
    except LookupError:
        return None
