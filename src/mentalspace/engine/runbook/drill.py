"""A drill: what to arrange, what to do, what must follow, and how it ends well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table

Param = str | int | float | bool

# What a drill may do, and the parameters each action takes. None: any, as credentials'
# fields are the provider's own.
ARRANGE: Mapping[str, frozenset[str] | None] = {
    # the sandbox meets this account so, in the emulator's words; without `times`, until healed
    "fault": frozenset(
        {"kind", "when", "http", "name", "message", "retry_after_s", "latency_s", "times", "share"}
        | {"method", "path", "event"}
    ),
    # the drill's credential gets these fields instead of the right ones
    "credential": None,
    # someone else uses up so much of the account's rate
    "other_consumer": frozenset({"takes_per_s"}),
    # the drill's credential points at a port where nobody listens
    "unreachable": frozenset(),
    # the drill's credential is held to a vendor agreement as a live one is, and there is none
    "demand_agreement": frozenset(),
    # the practice has a second credential, at this provider of the room, which takes over once
    # the first has been out for `after_s`
    "fallback": frozenset({"provider", "after_s"}),
    # the drill's credential reaches the provider's test recipients only
    "test_mode": frozenset(),
    # what the sandbox takes for these recipients (a pattern) ends so, after that long
    "fate": frozenset({"of", "is", "after_s"}),
    # the sandbox's options of the drill's account, in the provider's own words, until healed
    "options": None,
    # the recipients of the first act are written to no more, as if for an earlier bounce
    "suppress": frozenset({"reason"}),
    # it is night where what is sent goes, for longer than it stays useful
    "night": frozenset({"useful_for_s"}),
    # the credential has a past: so many messages were taken in the last `within_s`, or with `weeks`
    # in the same hours of each of so many weeks before; the provider called back for `heard`
    "history": frozenset({"count", "within_s", "weeks", "heard", "late_s"}),
    # the drill's practice is open day and night
    "always_open": frozenset(),
    # our own limiter lets nothing leave for so long
    "stall": frozenset({"for_s"}),
    # what the room would measure itself is so, in the room's own words, and it measures it
    "pretend": None,
}
ACT: Mapping[str, frozenset[str] | None] = {
    # `{n}` in `to` counts from 1; guard = false leaves our own validation out, explicitly; what is
    # sent `says` this, where the room lets a practice add something of its own; what it names is
    # `lost` or `sealed`, where the room sends by reference
    "send": frozenset({"count", "to", "guard", "says", "lost", "sealed"}),
    # what is due was due so much earlier; what was accepted, once all is, was accepted earlier; the
    # breaker, once it has opened, has been open for so much longer
    "age": frozenset({"of", "by_s"}),
}
RECOVER = frozenset(
    {
        "heal",  # faults, other consumers and closed ports go
        "rotate_credential",  # the right credential is stored, as an administrator would
        "retry_now",  # what waits for its next try is due at once
        "record_agreement",  # a vendor agreement is recorded, as an administrator would
        "release",  # what is held goes on, as a person would decide
        "let_time_pass",  # what was tried counts as tried ten minutes earlier
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    do: str
    params: Mapping[str, Param]


@dataclass(frozen=True, slots=True)
class Expect:
    """What must hold before the drill's time is up; a field left out is not looked at.

    Requests and accepted messages are the sandbox's count, for this drill's accounts alone.
    """

    moved: int | None = None  # deliveries that went on to the second provider
    refused_locally: int | None = None  # deliveries that our own guard refused
    requests_min: int | None = None
    requests_max: int | None = None
    accepted: int | None = None  # different messages the provider took
    case: str | None = None  # at least one attempt met it
    never: tuple[str, ...] = ()  # no attempt met these
    status: tuple[str, ...] = ()  # every delivery is in one of these
    lane: str | None = None
    steps: tuple[str, ...] = ()  # these steps ran
    alert: tuple[str, ...] = ()  # these rules each opened an incident
    whose: str | None = None  # the incidents' fault
    logged: bool | None = None  # the timeline names the case of every failed attempt

    @property
    def given(self) -> bool:
        return any(getattr(self, f.name) not in (None, ()) for f in fields(self))


@dataclass(frozen=True, slots=True)
class Drill:
    """`id` is `room/name`; `seed` lists the requirements it shows; `cases` those it proves.

    `timeout_s` bounds each of its two waits: for what is expected, and for the recovery.
    """

    id: str
    room: str
    name: str
    title: str
    seed: tuple[str, ...]
    cases: tuple[str, ...]
    timeout_s: float
    provider: str | None  # of its room; the first, if it names none
    arrange: tuple[Action, ...]
    act: tuple[Action, ...]
    expect: Expect
    recover: tuple[str, ...]
    recovered: Expect
    path: Path


def parse_drill(
    values: Mapping[str, object],
    source: Source,
    *,
    room: str,
    providers: Sequence[str],
    problems: list[Problem],
) -> Drill | None:
    """The drill, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(values, source, problems)
    recover, recovered = _recover(table.tables("recover"))
    drill = Drill(
        id=f"{room}/{source.path.stem}",
        room=room,
        name=source.path.stem,
        title=table.text("title"),
        seed=table.texts("seed"),
        cases=table.texts("cases"),
        timeout_s=table.number("timeout_s", 60),
        provider=table.maybe_text("provider"),
        arrange=tuple(_action(inner, ARRANGE) for inner in table.tables("arrange")),
        act=tuple(_action(inner, ACT) for inner in table.tables("act")),
        expect=_expect(table.tables("expect")),
        recover=recover,
        recovered=recovered,
        path=source.path,
    )
    if drill.provider is not None and drill.provider not in providers:
        cure = f"use {', '.join(providers)}"
        table.problem("provider", f"the room has no provider {drill.provider!r}", cure)
    table.done()
    return drill if len(problems) == before else None


def _action(table: Table, known: Mapping[str, frozenset[str] | None]) -> Action:
    do = table.text("do")
    params = table.rest()
    if do not in known:
        table.problem("do", f"a drill cannot do {do!r}", f"use {', '.join(known)}")
    allowed = known.get(do)
    if allowed is not None:
        for key in params.keys() - allowed:
            cure = f"use {', '.join(sorted(allowed))}" if allowed else "it takes none; remove it"
            table.problem(key, f"{do!r} takes no {key!r}", cure)
    return Action(do, params)


def _recover(tables: tuple[Table, ...]) -> tuple[tuple[str, ...], Expect]:
    if not tables:
        return (), Expect()
    table = tables[0]
    words = table.texts("do")
    for word in words:
        if word not in RECOVER:
            cure = f"use {', '.join(sorted(RECOVER))}"
            table.problem("do", f"a drill cannot recover by {word!r}", cure)
    recovered = _expect(table.tables("expect"))
    table.done()
    return words, recovered


def _expect(tables: tuple[Table, ...]) -> Expect:
    if not tables:
        return Expect()
    table = tables[0]
    expect = Expect(
        moved=table.maybe_whole("moved"),
        refused_locally=table.maybe_whole("refused_locally"),
        requests_min=table.maybe_whole("requests_min"),
        requests_max=table.maybe_whole("requests_max"),
        accepted=table.maybe_whole("accepted"),
        case=table.maybe_text("case"),
        never=table.texts("never"),
        status=table.texts("status"),
        lane=table.maybe_text("lane"),
        steps=table.texts("steps"),
        alert=table.texts("alert"),
        whose=table.maybe_text("whose"),
        logged=table.maybe_flag("logged"),
    )
    table.done()
    return expect
