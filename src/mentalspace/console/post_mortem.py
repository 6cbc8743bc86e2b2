"""An incident told from end to end, with room for what only people know; in UTC throughout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.impact_words import listed
from mentalspace.console.narrate import Line, narrate
from mentalspace.console.queries.group import Group, read_whole
from mentalspace.console.queries.incident import find_incident, read_pages
from mentalspace.console.queries.shared import Shared, read_shared
from mentalspace.console.rounds import Round, at_second, clocks, read_rounds
from mentalspace.console.verdict import verdict
from mentalspace.engine.document import (
    Bar,
    Bars,
    Blank,
    Block,
    Code,
    Document,
    Entry,
    Facts,
    Heading,
    Items,
    Paragraph,
    Table,
    Timeline,
)
from mentalspace.engine.services import Services
from mentalspace.kernel.errors import Refused
from mentalspace.workflows.doctor.way_out import read_way_out
from mentalspace.workflows.evidence import Kept, read_evidence
from mentalspace.workflows.impact import together_words
from mentalspace.workflows.impact.about import about_of
from mentalspace.workflows.impact.together import Together, read_together

# So many practices of a group are told by name.
MOST_PRACTICES = 50
# Who acts without being anybody.
_SYSTEM = frozenset({"worker", "dispatcher", "evaluator", "pager", "system", "runbook"})


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that is known of an incident and whom it leads, read in one transaction; `kind` is
    `About`'s."""

    incident: Any
    facts: dict[str, Any]
    group: Group | None
    pages: Sequence[Any]
    evidence: Sequence[Kept]
    story: Sequence[Line]
    provider: str
    room: str
    now: datetime
    shared: Shared | None
    kind: str
    rounds: Sequence[Round]
    together: Sequence[Together] = ()


async def read_told(services: Services, incident_id: UUID) -> Told:
    """As on-call, who sees nobody's name. Raises Refused if there is no such incident."""
    async with services.database.as_oncall() as connection:
        way_out = await read_way_out(connection, services.rooms)
        incident = await find_incident(connection, incident_id)
        if incident is None:
            raise Refused("no_such_incident", "there is no incident of that id")
        title = _titles(services, incident["integration"])
        about = about_of(services.runbooks, incident["rule_id"])
        whole, facts, group = await read_whole(connection, incident, about)
        shared = await read_shared(connection, whole, group, about, title)
        pages = await read_pages(connection, incident_id)
        evidence = await read_evidence(connection, incident_id)
        rounds = await read_rounds(connection, whole)
        together = await read_together(connection, services, whole, way_out)
        now = await connection.fetchval("select app.now()")
    provider = title(incident["provider"] or "the provider")
    story = narrate(facts["story"], provider, title, opened_at=incident["opened_at"])
    room = services.rooms.get(incident["integration"])
    where = room.title if room else words.plain(incident["integration"])
    return Told(
        whole,
        facts,
        group,
        pages,
        evidence,
        story,
        provider,
        where,
        now,
        shared,
        about.kind,
        rounds,
        together,
    )


def post_mortem(told: Told) -> Document:
    """What is known is filled in; what is not says what belongs there."""
    incident = told.incident
    made = (
        f"Written {at_second(told.now)} from the timeline. All times are UTC. It names no client."
    )
    return Document(
        f"Post-mortem: {incident['title']}",
        made,
        (
            Heading("What happened"),
            Facts(tuple(what(told))),
            Blank("In two sentences, for whoever was not there: what broke, and for whom."),
            Heading("Impact"),
            *_impact(told),
            *_practices(told),
            *_shared(told.shared),
            Heading("Clocks"),
            *clocks(incident, told.rounds),
            Heading("Timeline"),
            Timeline(tuple(_entry(line) for line in told.story)),
            Heading("What the system did by itself"),
            _items([line for line in told.story if line.actor in _SYSTEM], "Nothing."),
            Heading("What people did"),
            _items([line for line in told.story if line.actor not in _SYSTEM], "Nothing yet."),
            Heading("Who was paged"),
            *_paged(told.pages),
            Heading("Diagnosis, as it was when the incident opened"),
            *_diagnosis(told.evidence),
            Heading("Runbook"),
            Facts(tuple(_runbook(told))),
            Heading("For people to write"),
            *_blanks(),
        ),
    )


def what(told: Told) -> Iterator[tuple[str, str]]:
    """What is known of it at a glance, each with its name."""
    incident, facts = told.incident, told.facts
    judged = verdict(incident, facts, told.provider, kind=told.kind)
    yield "Incident", str(incident["id"])
    yield "State", words.INCIDENT[incident["status"]].word
    yield "Severity", words.SEVERITY[incident["severity"]].word
    yield "Whose", f"{judged.whose}: {judged.because}"
    if judged.elsewhere:
        yield "A second witness", judged.elsewhere
    if before := words.before(incident):
        was = words.fault(before["fault"])
        yield "Before it was closed or over", f"{was}: {before['case'] or 'no case matched'}"
    if words.turned_at(incident):
        yield "Theirs at first", f"ours since {at_second(words.turned_at(incident))}"
    if begun := words.test_mode(incident):
        yield "Test mode", f"{begun.how}, {at_second(begun.at)}, by {begun.by}"
    yield "Where", f"{told.room} through {told.provider}"
    yield "Practice", incident["practice_name"] or "all practices"
    if incident["lead_id"]:
        yield "One of several", f"paged and taken with incident {incident['lead_id']}"
    yield "Last good call", at_second(incident["last_good_at"])
    yield "Opened by", f"rule {incident['rule_id']}"
    if incident["drill"]:
        yield "Drill", "This was a drill; nobody was touched."


def _impact(told: Told) -> list[Block]:
    impact, incident_id = told.facts["impact"], told.incident["id"]
    people = words.count(impact["people"], "person", "people")
    if told.group:
        people += f" in {words.count(told.group.practices, 'practice')}"
    first = impact["next_appointment_at"]
    touched = f"{people} touched"
    if impact["people"]:
        touched += f" when this was written: {listed(impact)}"
    if told.facts.get("left"):
        touched = f"{words.count(told.facts['left'], 'person', 'people')} asked for no more"
    appointment = f"; the first appointment touched is {at_second(first)}" if first else ""
    kinds = (
        ("got through", "through"),
        ("waiting, kept", "waiting"),
        *([("waiting for the morning", "resting")] if impact["resting"] else []),
        ("unknown", "unknown"),
        ("held", "held"),
        ("not sent", "ended"),
    )
    whole = max(impact["messages"], 1)
    bars = tuple(
        Bar(label, impact[name] / whole, words.count(impact[name], "message"))
        for label, name in kinds
    )
    tries = told.facts["tries"]
    return [
        Paragraph(f"{touched}{appointment}."),
        *(
            Paragraph(together_words.plain(together_words.line(one, incident_id), at_second))
            for one in told.together
        ),
        Bars(f"{words.count(impact['messages'], 'message')} by what became of them", bars),
        Paragraph(
            f"{words.count(tries['bad'], 'try', 'tries')} failed and {tries['good']} succeeded."
        ),
    ]


def _practices(told: Told) -> Iterator[Block]:
    """What each practice of a group had of it, the worst struck first."""
    if told.group is None:
        return
    rows = sorted((_practice(told, member) for member in told.group.members), key=_worst)
    left_out = len(rows) - MOST_PRACTICES
    more = f"; {left_out:,} less struck are left out" if left_out > 0 else ""
    columns = ("Practice", "People", "Not reached", "Last good call", "Over")
    shown = tuple((name, str(people), *rest) for name, people, *rest in rows[:MOST_PRACTICES])
    yield Table(f"One cause, {words.count(told.group.practices, 'practice')}{more}", columns, shown)


def _practice(told: Told, member: Any) -> tuple[str, int, str, str, str]:
    impact = told.facts["by_incident"].get(member["id"])
    people, left = (impact["people"], impact["people_left"]) if impact else (0, 0)
    over = member["over_since"] or member["resolved_at"]
    good, ended = at_second(member["last_good_at"]), at_second(over) if over else "not yet"
    return member["practice_name"] or "all practices", people, str(left), good, ended


def _worst(row: tuple[str, int, str, str, str]) -> tuple[int, str]:
    return -row[1], row[0]


def _shared(shared: Shared | None) -> Iterator[Block]:
    """As it was counted when this was written; what the ledger holds no more is not in it."""
    if shared is None or shared.common is None:
        return
    yield Heading("What the failing ones share")
    yield Items(tuple(f"{said}." for said in shared.common.sentences))
    if compared := shared.common.compared:
        yield Paragraph(f"Compared: {compared}.")


def _entry(line: Line) -> Entry:
    times = f" (× {line.times})" if line.times > 1 else ""
    return Entry(at_second(line.at), f"{line.text}{times}", line.actor)


def _items(lines: Iterable[Line], nothing: str) -> Block:
    told = [f"{line.at:%H:%M:%S} {line.text}" + _by(line) for line in lines]
    return Items(tuple(told)) if told else Paragraph(nothing)


def _by(line: Line) -> str:
    return "" if line.actor in _SYSTEM else f" ({line.actor})"


def _paged(pages: Sequence[Any]) -> list[Block]:
    if not pages:
        return [Paragraph("Nobody.")]
    rows = tuple(
        (
            page["meant"],
            "; ".join(words.page_way(way) for way in page["ways"]) or page["error"] or "nobody yet",
            page["state"],
            at_second(page["sent_at"] or page["created_at"]),
        )
        for page in pages
    )
    return [Table("Every page", ("For", "Who was woken, and how", "State", "When"), rows)]


def _diagnosis(evidence: Sequence[Kept]) -> Iterator[Block]:
    if not evidence:
        yield Paragraph("None was attached.")
    for kept in evidence:
        yield Heading(kept.title, 3)
        version = f" {kept.source}, version {kept.version}," if kept.version else ""
        yield Paragraph(f"Asked{version} {at_second(kept.taken_at)}.")
        if kept.problem:
            yield Paragraph(f"No answer: {kept.problem}")
        elif kept.kind == "status_page":
            yield Paragraph(f"It said: {kept.description}")
        elif not kept.rows:
            yield Paragraph("No rows.")
        else:
            more = f", {kept.more} more left out" if kept.more else ""
            yield Table(f"{words.count(len(kept.rows), 'row')}{more}", kept.columns, kept.rows)
        if kept.kind == "query":
            yield Code(kept.asked)


def _runbook(told: Told) -> Iterator[tuple[str, str]]:
    opened: dict[str, Any] = next(
        (r["data"] for r in told.facts["story"] if r["kind"] == "incident_opened"), {}
    )
    yield "Rule", told.incident["rule_id"]
    case = opened.get("case") or told.incident["case_id"]
    version = opened.get("case_version")
    revision = f", version {version} when it opened" if version else ""
    yield "Case", f"{case}{revision}" if case else "none matched"
    for source, of in sorted({(k.source, k.version) for k in told.evidence if k.version}):
        yield "Issue", f"{source}, version {of} when it opened"
    if step := told.incident["facts"].get("first_step"):
        yield "First step it gave", str(step)


def _blanks() -> Iterator[Block]:
    for title, asks in (
        ("Cause", "Why it could happen, and why it was not caught earlier."),
        ("What went well", "What helped, and should be kept."),
        ("What went badly", "What cost time, and why."),
        ("Actions", "Each with one owner and a day."),
    ):
        yield Heading(title, 3)
        yield Blank(asks)


def _titles(services: Services, integration: str) -> Callable[[str], str]:
    room = services.rooms.get(integration)
    known = {provider.name: provider.title for provider in room.providers} if room else {}
    return lambda name: known.get(name, words.plain(name))
