"""What a room promises: purpose, settings, metrics with targets, and the alerts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path

from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, Table
from mentalspace.kernel.case import Fault, Severity


class Op(StrEnum):
    ABOVE = ">"
    BELOW = "<"


class AlertKind(StrEnum):
    # Deliveries that failed one after another for one credential, each of another
    # recipient, and none by the recipient's fault; retries of one delivery count once.
    CONSECUTIVE = "consecutive"
    # What the provider took and did not bring since the last that arrived, one after another, each
    # to another person and none by the recipient's fault; of `cases`, if any are named. Or all of
    # them, `despite_arrivals`.
    UNDELIVERED = "undelivered"
    # What our own rules refused by one of `cases` since the last that was taken, one after another,
    # each to another person: it is no attempt, so no other rule sees it.
    REFUSED = "refused"
    # Attempts that met one of `cases` since the last success.
    CASE = "case"
    # A lane stands paused by one of `cases`: what our own rules keep here is no attempt.
    PAUSED = "paused"
    # A share on the wrong side of a line, and too far from its metric's target for chance.
    RATE = "rate"
    # What a metric's target allows to fail burns too fast, over a long and over a short window.
    BURN = "burn"
    # Nothing is taken in the practice's opening hours, when that is not usual at this hour.
    ABSENCE = "absence"
    # Today costs far more than this day of the week does.
    COST = "cost"
    # Something waits for `threshold` seconds, with nothing in its way.
    QUEUE_AGE = "queue_age"
    # A breaker has been open for `threshold` seconds.
    BREAKER = "breaker"
    # Of so many messages a provider that used to call back has said nothing.
    CALLBACKS = "callbacks"
    # A share of what was taken is known by our asking alone, while others are called back about.
    LOST_CALLBACKS = "lost_callbacks"
    # What the room measures itself is beyond a line; of a share, and beyond chance.
    GAUGE = "gauge"


# Rules about what was met, one failure after the other: how grave it is, its case says. A share, a
# budget or a silence is of many cases, and its rule says it.
OF_CASES = frozenset({AlertKind.CONSECUTIVE, AlertKind.CASE, AlertKind.PAUSED})


class AlertState(StrEnum):
    LIVE = "live"
    DECLARED = "declared"  # written down, not yet evaluated


class Measure(StrEnum):
    """How a metric is counted from the ledger; engine/rates.py knows the sums."""

    DELIVERY_RATE = "delivery_rate"  # delivered of all that ended, the recipients' faults left out
    EVENT_RATE = "event_rate"  # those of which the provider said one of `events`, of `of`
    SEND_TIME = "send_time"  # from due to accepted
    DELIVERY_TIME = "delivery_time"  # from accepted to delivered
    AVAILABILITY = "availability"  # requests that did not fail by the provider's fault
    FAILURE_RATE = "failure_rate"  # what ended badly, by whomever's fault, and by which codes
    LATE_RATE = "late_rate"  # delivered more than `late_after_s` after it was accepted
    SLOW_RATE = "slow_rate"  # accepted later after it was due than the send time's target
    # People written to no more for one of `reasons`, of the people who were reached.
    OPT_OUT_RATE = "opt_out_rate"


# Shares of a whole: what a rule of kind rate may watch.
SHARES = frozenset(Measure) - {Measure.SEND_TIME, Measure.DELIVERY_TIME}


class Of(StrEnum):
    SENT = "sent"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Setting:
    """One name of the environment; `secret` values are never shown."""

    name: str
    meaning: str
    default: str | None
    secret: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    title: str
    request: str


@dataclass(frozen=True, slots=True)
class Metric:
    """`unit` is `ratio` (0 to 1), `s`, or what is counted; on target means `value op target`.

    Without a `measure` it is written down only, unless it is a `gauge`, which the room measures
    itself and keeps in `room_gauge`. `events` are the provider's own names, `reasons`
    those of suppressions.
    """

    id: str
    title: str
    unit: str
    op: Op
    target: float
    measure: Measure | None = None
    events: tuple[str, ...] = ()
    of: Of = Of.SENT
    source: str | None = None
    reasons: tuple[str, ...] = ()
    late_after_s: float = 0.0
    gauge: bool = False

    @property
    def target_text(self) -> str:
        """`99%`, `5 s`, `1 files`."""
        if self.unit == "ratio":
            return f"{self.target * 100:g}%"
        return f"{self.target:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class Price:
    """What one of something costs: an accepted message, a look-up."""

    amount: float
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """So many times what may fail, over the last `long_s` and still over the last `short_s`."""

    long_s: float
    short_s: float
    times: float


@dataclass(frozen=True, slots=True)
class AlertRule:
    """When to open an incident. `action` is what the page tells a person to do first.

    `resolves_after` is how many successes in a row end it. `drill` names a drill of the room.
    A rate is counted over the last `window_s`, and must be well for `hold_s` to be over.
    `fault` says whose it is where no attempt's case can; `issue` is the page to read then.

    It must hold for `pending_s` before anybody is told. `healthy` is the rate that it takes for
    well, which is its metric's target. A cost counts only `floor` above the usual, a gauge from a
    `floor` of what it counts. While a rule of `covered_by` has an open incident of the same
    credential, this one opens none; `covered_across`: nor while the credential has taken over from
    one that has such an incident. What rules with the same word for a `cause` tell of a provider is
    one group of incidents, at whichever practices. `despite_arrivals`: what was not brought counts,
    whatever arrived after it, until a person closes the incident. `now` is the one thing to do, on
    top of the incident, and `press` its button; a case's own goes before. Of its cases `keys` are a
    refused key: at many practices at once it is most likely the provider's, and one group.
    """

    id: str
    title: str
    kind: AlertKind
    threshold: float | None
    cases: tuple[str, ...]
    metric: str | None
    op: Op | None
    severity: Severity
    action: str
    resolves_after: int
    drill: str | None
    state: AlertState
    window_s: float = 3600.0
    hold_s: float = 600.0
    fault: Fault | None = None
    issue: str | None = None
    pending_s: float = 0.0
    healthy: float | None = None
    windows: tuple[BurnWindow, ...] = ()
    floor: float = 0.0
    covered_by: tuple[str, ...] = ()
    covered_across: bool = False
    cause: str | None = None
    despite_arrivals: bool = False
    now: str | None = None
    press: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """`unreached` is how whoever waits stands, after *5 people are*; `meanwhile`, what goes on all
    the same while the provider is out."""

    room: str
    title: str
    provider: str
    purpose: str
    sla: str
    cost: str
    edge_function: str
    authentication: str
    configuration: tuple[Setting, ...]
    endpoints: tuple[Endpoint, ...]
    metrics: tuple[Metric, ...]
    alerts: tuple[AlertRule, ...]
    version: str
    owner: str
    reviewed: date
    next_review: date
    path: Path
    price: Price | None = None
    look_up_price: Price | None = None
    unreached: str = "not reached"
    meanwhile: str | None = None

    def metric(self, metric_id: str | None) -> Metric | None:
        return next((metric for metric in self.metrics if metric.id == metric_id), None)

    def target(self, measure: Measure) -> float:
        """Of the metric that is measured so; 0 if there is none."""
        return next((m.target for m in self.metrics if m.measure is measure), 0.0)


def parse_overview(
    values: Mapping[str, object], source: Source, *, room: str, problems: list[Problem]
) -> Overview | None:
    """The overview, or None once its mistakes are in `problems`."""
    before = len(problems)
    table = Table(values, source, problems)
    overview = Overview(
        room=room,
        title=table.text("title"),
        provider=table.text("provider"),
        purpose=table.text("purpose"),
        sla=table.text("sla"),
        cost=table.text("cost"),
        edge_function=table.text("edge_function"),
        authentication=table.text("authentication"),
        configuration=tuple(_setting(inner) for inner in table.tables("configuration")),
        endpoints=tuple(_endpoint(inner) for inner in table.tables("endpoint")),
        metrics=tuple(_metric(inner) for inner in table.tables("metric")),
        alerts=tuple(_alert(inner) for inner in table.tables("alert")),
        version=table.text("version"),
        owner=table.text("owner"),
        reviewed=table.day("reviewed"),
        next_review=table.day("next_review"),
        path=source.path,
        price=next(iter(map(_price, table.tables("price"))), None),
        look_up_price=next(iter(map(_price, table.tables("look_up_price"))), None),
        unreached=table.text("unreached", "not reached"),
        meanwhile=table.maybe_text("meanwhile"),
    )
    table.done()
    return overview if len(problems) == before else None


def _setting(table: Table) -> Setting:
    setting = Setting(
        name=table.text("name"),
        meaning=table.text("meaning"),
        default=table.maybe_text("default"),
        secret=bool(table.maybe_flag("secret")),
    )
    table.done()
    return setting


def _endpoint(table: Table) -> Endpoint:
    endpoint = Endpoint(title=table.text("title"), request=table.text("request"))
    table.done()
    return endpoint


def _metric(table: Table) -> Metric:
    metric = Metric(
        id=table.text("id"),
        title=table.text("title"),
        unit=table.text("unit"),
        op=table.one_of("op", Op),
        target=table.number("target"),
        measure=table.one_of("measure", Measure) if table.has("measure") else None,
        events=table.texts("events"),
        of=table.one_of("of", Of, Of.SENT),
        source=table.maybe_text("source"),
        reasons=table.texts("reasons"),
        late_after_s=table.number("late_after_s", 0.0),
        gauge=bool(table.maybe_flag("gauge")),
    )
    table.done()
    return metric


def _price(table: Table) -> Price:
    price = Price(
        amount=table.number("amount"),
        currency=table.text("currency"),
        source=table.text("source"),
    )
    table.done()
    return price


def _alert(table: Table) -> AlertRule:
    rule = AlertRule(
        id=table.text("id"),
        title=table.text("title"),
        kind=table.one_of("kind", AlertKind),
        threshold=table.maybe_number("threshold"),
        cases=table.texts("cases"),
        metric=table.maybe_text("metric"),
        op=table.one_of("op", Op) if table.has("op") else None,
        severity=table.one_of("severity", Severity),
        action=table.text("action"),
        resolves_after=table.whole("resolves_after", 1),
        drill=table.maybe_text("drill"),
        state=table.one_of("state", AlertState, AlertState.LIVE),
        window_s=table.number("window_s", 3600.0),
        hold_s=table.number("hold_s", 600.0),
        fault=table.one_of("fault", Fault) if table.has("fault") else None,
        issue=table.maybe_text("issue"),
        pending_s=table.number("pending_s", 0.0),
        healthy=table.maybe_number("healthy"),
        windows=tuple(_window(inner) for inner in table.tables("windows")),
        floor=table.number("floor", 0.0),
        covered_by=table.texts("covered_by"),
        covered_across=bool(table.maybe_flag("covered_across")),
        cause=table.maybe_text("cause"),
        despite_arrivals=bool(table.maybe_flag("despite_arrivals")),
        now=table.maybe_text("now"),
        press=table.maybe_text("press"),
        keys=table.texts("keys"),
    )
    table.done()
    return rule


def _window(table: Table) -> BurnWindow:
    window = BurnWindow(
        long_s=table.number("long_s"),
        short_s=table.number("short_s"),
        times=table.number("times"),
    )
    table.done()
    return window
