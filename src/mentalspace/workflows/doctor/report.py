"""What the doctor found out about one room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.engine.heard import Heard
from mentalspace.engine.mornings import Morning, together
from mentalspace.engine.rates import Rates
from mentalspace.engine.room_gauges import Gauge
from mentalspace.engine.runbook import AlertRule, Metric, Overview
from mentalspace.kernel.checkup import DnsRecord, State, Whose
from mentalspace.workflows.doctor.queries import Answer
from mentalspace.workflows.doctor.touched import Touched
from mentalspace.workflows.doctor.verdict import Verdict

# Told by the lines of credentials, status pages, rates and rules.
_ELSEWHERE = frozenset(
    {
        "provider",
        "last good call",
        "last callback",
        "queue age",
        "rate",
        "measured",
        "alert",
        "status page",
    }
)


@dataclass(frozen=True, slots=True)
class RoomFinding:
    """One thing looked at. `subject` is `provider/credential`, or several of these where they are
    found alike. `whose` is set when something is wrong and it is known whose.

    `cure` is what a person does; `publish` the very records to publish, where those are the cure.
    `unreached` is a provider to which no connection opened.
    """

    room: str
    subject: str
    check: str
    state: State
    text: str
    whose: Whose | None = None
    cure: str | None = None
    publish: tuple[DnsRecord, ...] = ()
    unreached: bool = False


@dataclass(frozen=True, slots=True)
class CredentialLine:
    """A credential at a glance. `call` is what its provider answered just now; what is `resting`
    is due and may not leave before its hours begin, at `morning`, whoever is well. `touched` are
    the people behind it, and `heard` is when its provider last called back."""

    id: UUID
    subject: str
    practice: str
    live: bool
    call: RoomFinding
    last_good_at: datetime | None
    breaker: str
    paused: str | None
    waiting: int
    resting: int
    oldest_s: float | None
    held: int
    unknown: int
    touched: Touched
    heard: Heard
    morning: Morning | None = None


@dataclass(frozen=True, slots=True)
class StatusLine:
    """What a provider's own status page says; `problem` why it could not be read. It `lags` where
    it says that all is well while our own calls fail, and that is the provider's."""

    provider: str
    url: str
    indicator: str | None
    description: str | None
    problem: str | None
    lags: bool = False

    @property
    def remark(self) -> str:
        """Beside what it says; empty where it is to be believed."""
        if not self.lags:
            return ""
        return (
            f"Such a page often lags behind: our own calls to {self.provider} fail all the same. Go"
            " by these."
        )


@dataclass(frozen=True, slots=True)
class AlertLine:
    """A live rule in its worst state over the credentials; `subject` is where that is. `told` is
    what its incident there said to do first, `first_step` what is to be done first now."""

    rule: AlertRule
    state: str
    since: datetime | None
    subject: str | None
    told: str | None = None
    first_step: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """`domain` are the room's own checks; `findings` everything, also what the lines show.
    `touched` are the people behind all of its credentials, each once."""

    room: str
    title: str
    now: datetime
    verdict: Verdict
    overview: Overview
    credentials: Sequence[CredentialLine]
    domain: Sequence[RoomFinding]
    status: Sequence[StatusLine]
    rates: Rates
    alerts: Sequence[AlertLine]
    answers: Sequence[Answer]
    gauges: Sequence[tuple[Metric, Gauge]]
    findings: Sequence[RoomFinding]
    touched: Touched = field(default_factory=Touched)

    @property
    def checks(self) -> list[RoomFinding]:
        """The room's own, and whatever else is not as it should be and has no section of its
        own; the worst first."""
        rest = [f for f in self.findings if f.state != "good" and f.check not in _ELSEWHERE]
        shown = [*self.domain, *(f for f in rest if f not in self.domain)]
        return sorted(shown, key=lambda f: (("bad", "warning", "good").index(f.state), f.subject))

    @property
    def morning(self) -> Morning | None:
        """When what rests may leave, at any of the credentials."""
        return together(line.morning for line in self.credentials)

    @property
    def ok(self) -> bool:
        """Nothing is bad; warnings may be."""
        return all(finding.state != "bad" for finding in self.findings)

    def public(self) -> dict[str, Any]:
        """For machines. Keys are stable; rows of queries are as on-call sees them."""
        return {
            "room": self.room,
            "ok": self.ok,
            "at": self.now.isoformat(),
            "verdict": asdict(self.verdict),
            "touched": self.touched.public(),
            "credentials": [_credential(line) for line in self.credentials],
            "findings": [asdict(finding) for finding in self.findings],
            "status_pages": [asdict(line) for line in self.status],
            "rates": [_rate(reading) for reading in _readings(self.rates)],
            "measured": [
                {
                    "metric": metric.id,
                    "subject": gauge.subject,
                    "value": gauge.value,
                    "n": gauge.n,
                    "seen": gauge.seen,
                    "target": metric.target,
                    "on_target": gauge.on_target(metric),
                }
                for metric, gauge in self.gauges
            ],
            "alerts": [
                {
                    "rule": line.rule.id,
                    "state": line.state,
                    "since": line.since.isoformat() if line.since else None,
                    "subject": line.subject,
                    "first_step": line.first_step,
                }
                for line in self.alerts
            ],
            "queries": [answer.public() for answer in self.answers],
        }


def _credential(line: CredentialLine) -> Mapping[str, Any]:
    return {
        **asdict(line),
        "id": str(line.id),
        "touched": line.touched.public(),
        "heard": line.heard.public(),
        "morning": line.morning.words if line.morning else None,
        "call": line.call.text,
        "last_good_at": line.last_good_at.isoformat() if line.last_good_at else None,
    }


def _readings(rates: Rates) -> list[Any]:
    return [reading for readings in rates.readings.values() for reading in readings]


def _rate(reading: Any) -> Mapping[str, Any]:
    return {
        "metric": reading.metric.id,
        "span_s": reading.span_s,
        "hits": reading.hits,
        "n": reading.n,
        "value": reading.value,
        "target": reading.metric.target,
        "on_target": reading.on_target,
        "p50": reading.times.p50 if reading.times else None,
        "p95": reading.times.p95 if reading.times else None,
    }
