"""What is still missing before anything goes live: one finding for each thing to see to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from mentalspace.engine.agreement import Standing, standings
from mentalspace.engine.services import Services
from mentalspace.integrations.email.model import Mail
from mentalspace.kernel.settings import PAGE_TARGETS, production_mistakes
from mentalspace.practice.agreement import WARN_DAYS
from mentalspace.workflows.doctor.test_mode import off_command
from mentalspace.workflows.mail_sender import sender_of

State = Literal["good", "warning", "bad"]

_PRACTICES = "select id, slug from practice where not is_drill order by is_default desc, slug"
# The demo's people stay out of production, and do not count there.
_STAFF = """
select m.practice_id, m.role, f.secret is not null as enrolled
  from membership m join app_user u on u.id = m.user_id and u.active
  left join second_factor f on f.user_id = u.id
 where m.role <> 'client' and (not $1 or right(lower(u.email), 13) <> '@demo.example')
"""
_DRILLS = """
select drill, passed from (
  select distinct on (drill) drill, passed from drill_run where finished_at is not null
   order by drill, started_at desc) latest
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the list. `cure` is what a person does about it."""

    subject: str
    state: State
    text: str
    cure: str | None = None


async def examine_readiness(services: Services) -> list[Point]:
    """Settings, credentials, agreements, people, drills; in that order, the good ones too.

    Asked in a demo, it says what a production here would lack.
    """
    async with services.database.as_oncall() as connection:
        practices = await connection.fetch(_PRACTICES)
        found = await standings(connection)
        runs = await connection.fetch(_DRILLS)
    async with services.database.as_door() as connection:
        staff = await connection.fetch(_STAFF, services.settings.is_production)
    points = [*_settings(services), *_sender(services)]
    for practice in practices:
        own = [standing for standing in found if standing.practice_id == practice["id"]]
        points += _credentials(services, practice["slug"], own)
        points += _people(practice["slug"], practice["id"], staff)
    points += _people("on call", None, staff)
    points += _rehearsed(services, {run["drill"]: run["passed"] for run in runs})
    return points


def _settings(services: Services) -> Iterator[Point]:
    settings = services.settings
    mistakes = production_mistakes(settings)
    for mistake in mistakes:
        yield Point("settings", "bad", mistake)
    if not settings.is_production:
        yield Point(
            "settings",
            "bad",
            "this is a demo",
            "set MENTALSPACE_ENV=production; see docs/howto/run-in-production.md",
        )
    elif not mistakes:
        yield Point("settings", "good", "production, with all it needs")
    for target in PAGE_TARGETS:
        if not settings.page_urls[target] and target not in ("oncall", "drill"):
            cure = f"set MENTALSPACE_PAGE_{target.upper()}"
            yield Point("pages", "warning", f"{target} has no address: its pages fail", cure)
    if settings.heartbeat_url is None:
        text = "nobody outside listens: if all of this falls silent at once, nobody is told"
        cure = "set MENTALSPACE_HEARTBEAT_URL to the address of a dead man's switch"
        yield Point("pages", "warning", text, cure)


def _sender(services: Services) -> Iterator[Point]:
    """Whether a mail in our name would reach a person at all."""
    sender = sender_of(services).address
    mail = Mail(sender, sender, "somebody@clients.invalid", "", "", "", "appointment_created")
    room = services.rooms.get("email")
    for provider in room.providers if room else ():
        if provider.refuse_outside_tests(mail.to_bytes(), False) is not None:
            text = f"EMAIL_FROM is {provider.title}'s own for tests: no client is reached"
            yield Point("sender", "bad", text, "set EMAIL_FROM to an address of a verified domain")


def _credentials(services: Services, slug: str, own: Sequence[Standing]) -> Iterator[Point]:
    reaches_somebody = any(standing.live for standing in own)
    for name, room in services.rooms.items():
        live = [standing for standing in own if standing.integration == name and standing.live]
        if not live:
            cure = f"mentalspace credential set {name} --practice {slug}"
            state: State = "warning" if reaches_somebody else "bad"
            yield Point(slug, state, f"{room.title}: no live credential", cure)
        carried = any(not standing.test_only and standing.holds for standing in live)
        for standing in live:
            title = f"{room.title}, {room.provider(standing.provider).title}"
            yield _credential(slug, title, standing, carried)


def _credential(slug: str, title: str, standing: Standing, carried: bool) -> Point:
    """`carried` says that another credential, or this one, may carry clients' data."""
    room, provider = standing.integration, standing.provider
    if standing.test_only:
        text = f"{title}: test only, it reaches no client"
        cure = off_command(room, slug, provider)
        state: State = "warning" if carried else "bad"
        return Point(slug, state, text, cure)
    if standing.is_missing:
        then = "what names clients goes another way" if carried else "what names clients waits"
        cure = f"mentalspace agreement add {provider} --practice {slug} --signed DAY"
        text = f"{title}: no agreement holds, {then}"
        return Point(slug, "warning" if carried else "bad", text, cure)
    if standing.ends_on is None:
        return Point(slug, "good", f"{title}: live, under an agreement without an end")
    soon = (standing.ends_on - standing.today).days <= WARN_DAYS[0]
    text = f"{title}: live, under an agreement until {standing.ends_on}"
    return Point(slug, "warning" if soon else "good", text, "have it renewed" if soon else None)


def _people(subject: str, practice_id: UUID | None, staff: Sequence[Any]) -> Iterator[Point]:
    """Somebody answers for it; whoever has no second factor sets one up at the next log-in."""
    own = [row for row in staff if row["practice_id"] == practice_id]
    needed = "oncall" if practice_id is None else "administrator"
    if not any(row["role"] == needed for row in own):
        place = "" if practice_id is None else f" --practice {subject}"
        cure = f"mentalspace user add EMAIL --name NAME --role {needed}{place}"
        yield Point(subject, "bad", f"nobody is {needed}", cure)
    lacking = sum(not row["enrolled"] for row in own)
    if lacking:
        text = f"{lacking} of {len(own)} have no second factor yet; their next log-in asks for it"
        yield Point(subject, "warning", text)
    elif own:
        yield Point(subject, "good", f"all {len(own)} have a second factor")


def _rehearsed(services: Services, passed: dict[str, bool]) -> Iterator[Point]:
    """Production runs no drill: there its evidence lies with the installation that did."""
    if services.settings.is_production:
        return
    known = [drill.id for drill in services.runbooks.all_drills]
    failed = [drill for drill in known if passed.get(drill) is False]
    never = [drill for drill in known if drill not in passed]
    if failed:
        text = f"{len(failed)} failed when last run: {', '.join(failed)}"
        yield Point("drills", "bad", text, "mentalspace drill, then the name")
    if never:
        text = f"{len(never)} of {len(known)} were never run here"
        yield Point("drills", "warning", text, "mentalspace drill --all")
    if not failed and not never:
        yield Point("drills", "good", f"all {len(known)} passed when last run")
