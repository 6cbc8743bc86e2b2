"""The doctor's report as one screen: a hundred columns, no colour, the verdict first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mentalspace.cli.span import in_words

if TYPE_CHECKING:
    from mentalspace.engine.heard import Heard
    from mentalspace.engine.rates import Reading
    from mentalspace.kernel.checkup import DnsRecord
    from mentalspace.workflows.doctor import CredentialLine, Report, RoomFinding
    from mentalspace.workflows.doctor.queries import Answer

WIDTH = 100
ROWS = 3
CREDENTIALS = 6
_STATE = 9
_CREDENTIAL = (
    "Credential",
    "Its provider answers",
    "Last good call",
    "Breaker",
    "Waiting",
    "Held",
    "Unknown",
)


def screen(report: Report) -> str:
    """Everything a person needs before they act; the rest is in --json and on the console."""
    parts = [
        _head(report),
        _credentials(report),
        _checks(report),
        _rates(report),
        _gauges(report),
        _rules(report),
        *(_answer(answer, report.now) for answer in report.answers),
    ]
    return "\n".join(line for part in parts for line in part)


def _head(report: Report) -> Iterator[str]:
    verdict = report.verdict
    tail = f" (and {verdict.more} more)" if verdict.more else ""
    yield from _wrapped(f"{report.title}: {verdict.word}. ", f"{verdict.text}{tail}")
    said = [
        f"{line.provider}'s status page cannot be read ({line.problem})"
        if line.problem
        else f"{line.provider}'s status page says: {line.description}"
        + (f". {line.remark.rstrip('.')}" if line.remark else "")
        for line in report.status
    ]
    yield from _wrapped("  ", "; ".join([f"Looked at {_moment(report.now)}", *said]))


def _credentials(report: Report) -> Iterator[str]:
    if not report.credentials:
        yield "  No practice has a credential for it yet: mentalspace credential set"
        return
    yield ""
    rows = [_credential(line, report.now) for line in _worst(report.credentials)]
    yield from _table(_CREDENTIAL, rows, cut=1)
    if len(report.credentials) > CREDENTIALS:
        left = report.credentials[CREDENTIALS:]
        yield f"and {len(left)} more, none worse"
    yield from _wrapped("Last callback: ", "; ".join(_callbacks(report)))
    touched = report.touched
    if people := touched.people:
        are = "person is" if people == 1 else "people are"
        yield f"{people} {are} {report.overview.unreached}{_comes(touched.next_at)}"
        if report.overview.meanwhile:
            yield report.overview.meanwhile
    if touched.before:
        are = "person was" if touched.before == 1 else "people were"
        since = _moment(touched.before_since)
        yield (
            f"{touched.before} {are} left behind by older trouble, since"
            f" {since}{_comes(touched.before_next_at)}"
        )
    if resting := sum(line.resting for line in report.credentials):
        hour = f", {report.morning.words}" if report.morning else ""
        yield f"{resting} more {_wait(resting)} for the morning, as {_they(resting)} should{hour}"


def _comes(first: datetime | None) -> str:
    return f"; the next appointment among them is {_moment(first)}" if first else ""


def _callbacks(report: Report) -> Iterator[str]:
    """Of each that calls back, and once of those that never do."""
    for line in _worst(report.credentials):
        if line.heard.follows:
            yield f"{line.subject} {_heard(line.heard, report.now)}"
    never = {
        line.subject.partition("/")[0] for line in report.credentials if not line.heard.follows
    }
    if never:
        yield f"{', '.join(sorted(never))} never calls back"


def _heard(heard: Heard, now: datetime) -> str:
    last = f"{in_words(_minutes(heard.at, now))} ago" if heard.at else "none yet"
    return f"{last}{f': {heard.words}' if heard.is_suspicious else ''}"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _they(number: int) -> str:
    return "it" if number == 1 else "they"


def _worst(lines: Sequence[CredentialLine]) -> list[CredentialLine]:
    def calm(line: CredentialLine) -> tuple[bool, bool, bool]:
        return line.call.state != "bad", line.breaker == "closed", not line.waiting

    return sorted(lines, key=calm)[:CREDENTIALS]


def _credential(line: CredentialLine, now: datetime) -> tuple[str, ...]:
    waiting = str(line.waiting)
    if line.oldest_s:
        waiting += f", oldest {line.oldest_s:.0f} s"
    if line.paused:
        waiting += ", paused"
    good = f"{in_words(_minutes(line.last_good_at, now))} ago" if line.last_good_at else "none yet"
    cut = ": " if line.call.state == "good" else " answered "
    call = line.call.text.partition(cut)[2] or line.call.text
    held, unknown = str(line.held), str(line.unknown)
    return line.subject, call, good, line.breaker.replace("_", " "), waiting, held, unknown


def _checks(report: Report) -> Iterator[str]:
    if report.checks:
        yield ""
    told = ""
    for finding in report.checks:
        if finding.subject != told:
            yield f"{finding.subject}:"
        told = finding.subject
        yield from _check(finding)


def _check(finding: RoomFinding) -> Iterator[str]:
    whose = f" ({finding.whose})" if finding.whose and finding.state != "good" else ""
    yield from _wrapped(
        f"{finding.state:<{_STATE}}", f"{finding.check}: {finding.text}{whose}", _STATE
    )
    if finding.cure:
        yield from _wrapped(" " * _STATE, f"→ {finding.cure}", _STATE + 2)
    for record in finding.publish:
        yield from _publish(record)


def _publish(record: DnsRecord) -> Iterator[str]:
    """Name and type, then the value by itself in a line, to be copied whole."""
    priority = "" if record.priority is None else f", priority {record.priority}"
    yield f"{' ' * _STATE}  {record.type} {record.name}{priority}"
    yield f"{' ' * _STATE}  {record.value}"


def _rates(report: Report) -> Iterator[str]:
    words = {3_600.0: "1 h", 86_400.0: "24 h", 30 * 86_400.0: "30 d"}
    spans = sorted({span_s for _key, span_s in report.rates.readings})
    columns = [report.rates.at(None, span_s) for span_s in spans]
    if not columns or not columns[0]:
        return
    yield ""
    rows = [
        (_title(first.metric.title), *(_reading(column[n]) for column in columns), _target(first))
        for n, first in enumerate(columns[0])
    ]
    for n, first in enumerate(columns[0]):
        if first.metric.measure == "delivery_time":
            shares = [_share(column[n]) for column in columns]
            rows.append((f"Delivered in {first.metric.target:g} s", *shares, ""))
            rows.append(("Half and 95% within", *(_spread(column[n]) for column in columns), ""))
    counts = [report.rates.counts[None, span_s] for span_s in spans]
    rows.append(("Accepted", *(f"{c.accepted:,}" for c in counts), f"{counts[0].young} too young"))
    if price := report.overview.price:
        costs = [_money(c.units * price.amount, price.currency) for c in counts]
        rows.append(("Cost", *costs, f"{price.amount:g} each"))
    apart = [f"{c.recipient:,} and {c.silent:,}" for c in counts]
    rows.append(("Sent back and silent", *apart, ""))
    names = ("Metric", *(words.get(span_s, "") for span_s in spans), "Target")
    yield from _table(names, rows, cut=None)
    for reading in columns[-1]:
        if reading.codes:
            yield from _wrapped("", f"Codes of {words.get(spans[-1], '')}: {reading.codes_text}")


def _gauges(report: Report) -> Iterator[str]:
    """What the room measures itself, as it stands: of each metric the worst."""
    if not report.gauges:
        return
    yield ""
    rows = [
        (
            _title(metric.title),
            f"{gauge.subject}: {gauge.seen}{' !' if gauge.on_target(metric) is False else ''}",
            f"{metric.op.value} {metric.target_text}",
        )
        for metric, gauge in report.gauges
    ]
    yield from _table(("Measured here", "Now, the worst", "Target"), rows, cut=1)


def _title(title: str) -> str:
    """Without what goes without saying here."""
    return title.removeprefix("Average ").removeprefix("Email ").capitalize()


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.2f} {currency}" if amount >= 1 else f"{amount:.4f} {currency}"


def _reading(reading: Reading) -> str:
    mark = " !" if reading.on_target is False else ""
    if reading.times is not None:
        return f"{reading.text}, p95 {reading.times.p95:.1f}{mark}"
    return f"{reading.text}{mark}"


def _share(reading: Reading) -> str:
    """How many were as quick as their target."""
    return f"{reading.hits:,} of {reading.n:,}" if reading.n else "no data"


def _spread(reading: Reading) -> str:
    times = reading.times
    return f"{times.p50:.1f} and {times.p95:.1f} s" if times else "no data"


def _target(reading: Reading) -> str:
    metric = reading.metric
    return f"{metric.op.value} {metric.target_text}"


def _rules(report: Report) -> Iterator[str]:
    """What fires or is not over yet, each in a line; of the quiet ones how many."""
    if report.alerts:
        yield ""
    quiet = {"normal": 0, "no_data": 0}
    for line in report.alerts:
        if line.state in quiet:
            quiet[line.state] += 1
            continue
        where = f", {line.subject}, since {_moment(line.since)}"
        yield from _wrapped(f"{line.state:<12}", f"{line.rule.title}{where}", 12)
    normal, blind = quiet.values()
    if normal or blind:
        yield f"Alert rules: {normal} normal, {blind} without data (mentalspace alerts --all)"


def _answer(answer: Answer, now: datetime) -> Iterator[str]:
    yield ""
    if answer.problem:
        yield from _wrapped("", f"{answer.title}: {answer.problem}")
        return
    many = f"{answer.count} row{'s'[: answer.count != 1]}"
    yield from _wrapped("", f"{answer.title}: {many}{', the newest:' if answer.rows else ''}")
    today, narrow = f"{now:%Y-%m-%d} ", answer.narrowed(ROWS)
    rows = [tuple(_short(text, today) for text in row) for row in narrow.rows]
    if rows:
        yield from _table(narrow.columns, rows, cut=None)


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, cut: int | None
) -> Iterator[str]:
    """Columns side by side. What is too wide is taken from column `cut`, or from the widest."""
    widths = [max(len(row[n]) for row in [names, *rows]) for n in range(len(names))]
    while sum(widths) + 2 * (len(widths) - 1) > WIDTH:
        place = widths.index(max(widths)) if cut is None else cut
        if widths[place] <= 8:
            cut, place = None, widths.index(max(widths))
        widths[place] -= 1
    for row in [names, *rows]:
        cells = [_cut(text, width).ljust(width) for text, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()


def _wrapped(before: str, text: str, indent: int = 2) -> Iterable[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=before,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _short(text: str, today: str) -> str:
    """An instant of a query without its zone, which is UTC throughout, and without today's date."""
    return text.removesuffix(" UTC").removeprefix(today)


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"


def _minutes(at: datetime, now: datetime) -> timedelta:
    """To the second below a minute, to the minute above: what is read at a glance."""
    apart = max(now - at, timedelta())
    return (
        apart if apart < timedelta(minutes=1) else timedelta(minutes=apart // timedelta(minutes=1))
    )
