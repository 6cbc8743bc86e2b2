"""Reference pages written from the runbooks: cases, rules, metrics, escalation, drills."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docs.markdown import table
from mentalspace.engine.export.house import HOUSE_ALERTS
from mentalspace.engine.export.prometheus import alert_name, exported
from mentalspace.engine.export.watch import watch
from mentalspace.engine.house_alert import HOUSE_RULES
from mentalspace.engine.metrics import FAMILIES, PREFIX
from mentalspace.engine.rates import ENOUGH
from mentalspace.engine.runbook import Expect, Measure, Metric, Runbooks, rule_line
from mentalspace.engine.worker import EVALUATE_EVERY_S
from mentalspace.kernel.case import ErrorCase, Match

ROOT = Path(__file__).parent.parent
NEVER = "–"


def cases(books: Runbooks) -> str:
    rows = [_case_row(case) for case in books.cases]
    return (
        "What each failure of a provider means, and what the engine does with the delivery.\n"
        "The whole page of a case: `mentalspace runbook show ID`, or the console.\n\n"
        + table("case | matches | severity | then | whose | steps | drill", rows)
    )


def _case_row(case: ErrorCase) -> list[str]:
    return [
        f"[`{case.id}`]({_link(case.path)})",
        "<br>".join(match_text(match) for match in case.match) or "whatever no other case does",
        case.severity.value,
        case.disposition.value,
        case.fault.value,
        ", ".join(f"`{step.do}`" for step in case.steps) or NEVER,
        f"`{case.integration}/{case.drill}`" if case.drill else NEVER,
    ]


def match_text(match: Match) -> str:
    """One pattern in a line: kinds, statuses, codes, message."""
    parts = [
        " or ".join(sorted(match.kind)),
        " or ".join(map(str, sorted(match.http))),
        " or ".join(f"`{code}`" for code in sorted(match.code)),
        f"message `` {match.message.pattern} ``" if match.message else "",
    ]
    return ", ".join(part for part in parts if part)


def alerts(books: Runbooks) -> str:
    rows = [
        [
            f"`{rule.id}`",
            rule.title,
            rule_line(rule, room.overview),
            rule.severity.value,
            rule.action,
            f"`{_room(rule.id)}/{rule.drill}`" if rule.drill else NEVER,
            rule.state.value,
        ]
        for room in books.rooms
        for rule in room.overview.alerts
    ]
    return (
        f"Whose turn it is is asked every {EVALUATE_EVERY_S:g} s; a rule looks at a credential\n"
        "again after five seconds to minutes, as its window is long. Its drill fires it. Its\n"
        "states are in [states](../explanation/states.md). A declared one is written down and not\n"
        "evaluated yet.\n\n"
        + table("rule | title | when | severity | first step | drill | state", rows)
        + "\nOf rooms that are not built yet, written down and not evaluated:\n\n"
        + table(
            "room | alert | first step",
            [[room.title, a.title, a.action] for room in books.declared for a in room.alerts],
        )
        + _house_rules(books)
    )


def _house_rules(books: Runbooks) -> str:
    rows = [
        [
            f"`{rule.id}`",
            rule.title,
            proof.watches,
            rule.severity.value,
            rule.first_step,
            f"`house/{proof.drill}`" if proof.drill else f"no drill; `{proof.test}`",
        ]
        for rule in HOUSE_RULES.values()
        if (proof := books.house_proof(rule.id)) is not None
    ]
    return (
        "\n## The house itself\n\nThe alarm watches itself: its loops' pulses, each way to page,"
        " and the schedule.\nEach names the drill that fires it or, where none can be made, the"
        " test that does.\n\n"
        + table("rule | title | when | severity | first step | proven by", rows)
    )


def metrics(books: Runbooks) -> str:
    rows = [
        [f"`{m.id}`", m.title, f"{m.op.value} {m.target:g}", m.unit, _measure_text(m)]
        for room in books.rooms
        for m in room.overview.metrics
    ]
    prices = [
        f"A message accepted through `{room.room}` is counted at {price.amount:g} "
        f"{price.currency}: <{price.source}>."
        for room in books.rooms
        if (price := room.overview.price)
    ]
    return (
        "Counted from the ledger over an hour, a day and thirty days, for each credential,\n"
        "without drills. A message counts once it is a quarter of an hour old, when what the\n"
        "provider says of it has come; its recipient's own fault counts against nobody's rate.\n"
        f"Fewer than {ENOUGH} are shown as counts. How longer spans are counted ahead, and how\n"
        "long that is kept: [rollups](../explanation/rollups.md).\n\n"
        + table("metric | title | target | unit | counted", rows)
        + "\nOf rooms that are not built yet, written down and shown as “no data yet”:\n\n"
        + table("room | metric | target", _declared_metrics(books))
        + "".join(f"\n{price}\n" for price in prices)
    )


def _declared_metrics(books: Runbooks) -> list[list[str]]:
    return [
        [room.title, metric.title, metric.target or NEVER]
        for room in books.declared
        for metric in room.metrics
    ]


def _measure_text(metric: Metric) -> str:
    if metric.gauge:
        return "measured by the room itself"
    match metric.measure:
        case Measure.DELIVERY_RATE:
            return "delivered, of what ended"
        case Measure.EVENT_RATE:
            events = " or ".join(f"`{event}`" for event in metric.events)
            return f"messages with {events}, of those {metric.of.value}"
        case Measure.SEND_TIME:
            return "average from due to accepted"
        case Measure.DELIVERY_TIME:
            return "average from accepted to delivered"
        case Measure.AVAILABILITY:
            return "requests that did not fail by the provider's fault"
        case Measure.FAILURE_RATE:
            return "ended badly by whomever's fault, of what ended; and the providers' codes"
        case Measure.LATE_RATE:
            return f"delivered more than {metric.late_after_s:g} s after accepted"
        case Measure.SLOW_RATE:
            return "accepted later after it was due than the send time's target"
        case Measure.OPT_OUT_RATE:
            return "people who want no more, of the people reached"
        case _:
            return "not counted"


def prometheus(books: Runbooks) -> str:
    series = [
        [
            f"`{PREFIX}{family.name}{'_total' if family.kind == 'counter' else ''}`",
            family.kind,
            ", ".join(f"`{label}`" for label in family.labels) or NEVER,
            family.help,
        ]
        for family in FAMILIES.values()
    ]
    rules = [
        [f"`{alert_name(rule.id)}`", f"`{rule.id}`", rule.severity.value, _one_line(remark)]
        for room in books.rooms
        for rule in exported(room)
        for remark in [watch(room, rule).remark]
    ]
    house = [
        [f"`{alert_name(a.id)}`", a.title, a.severity.value, f"{a.action}"] for a in HOUSE_ALERTS
    ]
    return (
        "`/metrics` has these, and `mentalspace_http_requests_total`,"
        " `mentalspace_http_request_seconds`\nand the usual `process_` series of the API that is"
        " asked. All others are the whole installation's,\nread from the database; drills are not"
        " counted. [How to scrape and alert](../howto/watch-with-prometheus.md).\n\n"
        + table("series | kind | labels | what it is", series)
        + "\n## Rules\n\nWritten by `mentalspace runbook export --prometheus` from the runbooks;"
        " each has the\nrule's id, its integration and severity as labels, and its page as"
        " `runbook_url`.\n\n"
        + table("alert | rule | severity | where it differs from our own evaluator", rules)
        + "\n## The house\n\nWhat our own evaluator cannot tell anybody of:\n\n"
        + table("alert | when | severity | first step", house)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def escalation(books: Runbooks) -> str:
    matrix = books.escalation
    rows = [
        [
            rung.severity.value,
            rung.meaning,
            _span(rung.ack_within_s) if rung.ack_within_s else "at once",
            _span(rung.resolve_within_s),
            _targets(rung.first_paged),
            f"every {_span(rung.repeat_every_s)}" if rung.repeat_every_s else NEVER,
            _targets(rung.escalate_to),
            rung.actions,
        ]
        for rung in matrix.rungs.values()
    ]
    head = (
        "severity | meaning | acknowledge within | over within | pages | again | then also"
        " | what they do"
    )
    return (
        f"Version {matrix.version}, owner {matrix.owner}, reviewed {matrix.reviewed}, "
        f"next review {matrix.next_review}.\nA target is a setting: `oncall` is "
        "`MENTALSPACE_PAGE_ONCALL`. Acknowledging stops all of it, until the incident should be\n"
        "over; then it is open again and pages. Degraded and minor ones leave a ticket as well.\n\n"
        + table(head, rows)
    )


def _targets(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or NEVER


def drills(books: Runbooks) -> str:
    rows = [
        [
            f"[`{drill.id}`]({_link(drill.path)})",
            drill.title,
            ", ".join(f"`{case}`" for case in drill.cases) or NEVER,
            ", ".join(drill.seed) or NEVER,
            _expectation(drill.expect),
            "; ".join(drill.recover) or NEVER,
        ]
        for drill in books.drills
    ]
    rows += [
        [
            f"[`{rehearsal.id}`]({_link(rehearsal.path)})",
            rehearsal.title,
            ", ".join(f"`{rule}`" for rule in rehearsal.proves) or NEVER,
            NEVER,
            "; ".join(f"{step.do}: {step.expect}" for step in rehearsal.steps),
            NEVER,
        ]
        for rehearsal in books.rehearsals
    ]
    return (
        "Run one with `mentalspace drill email/invalid_api_key`, all with `mentalspace drill "
        "--all`.\nThe third column names the cases a drill proves, or the house's rules, the "
        "fourth the items of [the seed](../seed-coverage.md) it shows.\n\n"
        + table("drill | title | proves | seed | expects | recovers by", rows)
    )


def _expectation(expect: Expect) -> str:
    shown = []
    for name in Expect.__slots__:
        value = getattr(expect, name)
        if value not in (None, ()):
            plain = ", ".join(value) if isinstance(value, tuple) else str(value).lower()
            shown.append(f"{name} {plain}")
    return "; ".join(shown)


def _link(path: Path) -> str:
    return f"../../{path.relative_to(ROOT).as_posix()}"


def _room(dotted: str) -> str:
    return dotted.partition(".")[0]


def _span(seconds: int) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0 and seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
