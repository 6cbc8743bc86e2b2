"""What became of a made-up mail or text, told line by line as the engine would have written it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from mentalspace.engine.hours import OUT_OF_HOURS, Hours
from mentalspace.engine.settle import classification
from mentalspace.engine.suppression import OPTED_OUT
from mentalspace.kernel.case import ErrorCase, classify
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.integration import LaneClass
from mentalspace.practice.saying.facts import AppointmentKind
from mentalspace.workflows.demo_history.cast import made_id

WORKER = "worker:demo"
# A task is done in so much; a younger one is open.
MENDED_IN = timedelta(hours=30)
REJECTED = ("Permanent/General", "Permanent/General", "Permanent/NoEmail", "Transient/MailboxFull")
UNAVAILABLE = Evidence("http", http=503, code="service_unavailable")
TOO_MANY = Evidence("http", http=429, code="rate_limit_exceeded", retry_after_s=1.0)
SILENT = Evidence("timeout")
NO_ADDRESS = Evidence("refused_locally", code="invalid_recipient")
STRANGE = Evidence("http", http=451, code="unavailable_for_legal_reasons")
TEXTS_TOO_FAST = Evidence("http", http=429, code="20429", retry_after_s=1.0)
STRANGE_OF_TEXTS = Evidence("http", http=400, code="21999")
TOO_LATE_AT_NIGHT = Evidence("refused_locally", code=OUT_OF_HOURS)


@dataclass(frozen=True, slots=True)
class Setting:
    """What all mails, or all texts, of the practice have in common. `busy` is how its provider
    asks for another try, `strange` what the runbook does not know."""

    practice_id: UUID
    integration: str
    credential_id: UUID
    lanes: Mapping[LaneClass, UUID]
    cases: Sequence[ErrorCase]
    deadline_s: float
    busy: Evidence
    strange: Evidence

    @property
    def texts(self) -> bool:
        return self.integration == "sms"

    @property
    def event(self) -> str:
        """What its provider's events begin with."""
        return "message" if self.texts else "email"


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail or text before it is known what becomes of it. `cancelled_at` is when its
    appointment changed, if that came before it was due; `until` when it changed at all. A text
    may leave within its `hours`, from `opens_at` on."""

    id: UUID
    kind: AppointmentKind
    key: str
    appointment_id: UUID
    client_id: UUID
    written_at: datetime
    due_at: datetime
    expires_at: datetime
    for_start: datetime | None = None
    lead_min: int | None = None
    cancelled_at: datetime | None = None
    version: int = 1
    until: datetime | None = None
    hours: Hours | None = None
    opens_at: datetime | None = None

    @property
    def leaves_at(self) -> datetime:
        return self.opens_at or self.due_at

    @property
    def lane_class(self) -> LaneClass:
        return "bulk" if self.kind == "reminder" else "interactive"

    @property
    def mail_kind(self) -> str:
        return "reminder" if self.kind == "reminder" else f"appointment_{self.kind}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the timeline."""

    at: datetime
    kind: str
    data: Mapping[str, Any]
    delivery_id: UUID | None
    attempt_id: UUID | None = None
    lane_id: UUID | None = None
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt, finished."""

    id: UUID
    lane_id: UUID
    purpose: str
    state: str
    key: str
    traceparent: str
    started_at: datetime
    took_ms: float
    request_id: str | None
    evidence: Evidence | None
    case: ErrorCase | None

    @property
    def finished_at(self) -> datetime:
        return self.started_at + timedelta(milliseconds=self.took_ms)


@dataclass(frozen=True, slots=True)
class Errand:
    """A task that a mail left behind."""

    id: UUID
    for_role: str
    text: str
    case_id: str
    topic: str
    created_at: datetime

    @property
    def done_at(self) -> datetime:
        return self.created_at + MENDED_IN


@dataclass(frozen=True, slots=True)
class Listing:
    """From then on their address is written to no more, unless a person lifts it."""

    at: datetime
    reason: str
    case_id: str | None
    lifted_at: datetime | None = None
    how: str = "provider"
    actor: str = "system"


@dataclass(slots=True)
class Story:
    """A mail and everything that happened to it so far."""

    letter: Letter
    setting: Setting
    random: Random
    status: str = "pending"
    next_attempt_at: datetime | None = None
    tries: list[Try] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    asked: Mapping[str, datetime] = field(default_factory=dict)  # open tasks by topic, until when
    listing: Listing | None = None
    message_id: str | None = None
    last_case: str | None = None
    held_reason: str | None = None
    accepted_at: datetime | None = None
    ended_at: datetime | None = None
    questions: int = 0
    falls_back_at: datetime | None = None

    def __post_init__(self) -> None:
        data = {"kind": self.letter.mail_kind, "class": self.letter.lane_class}
        self.tell(self.letter.written_at, "delivery_created", data, actor="system")

    @property
    def lane_id(self) -> UUID:
        return self.setting.lanes[self.letter.lane_class]

    @property
    def traceparent(self) -> str:
        return f"00-{self.letter.id.hex}-{self.letter.id.hex[:16]}-01"

    @property
    def waits(self) -> bool:
        """Whether its body is needed still."""
        return self.status in ("pending", "unknown", "held")

    def tell(
        self,
        at: datetime,
        kind: str,
        data: Mapping[str, Any],
        *,
        actor: str = "worker",
        tried: UUID | None = None,
        lane: bool = True,
    ) -> None:
        lane_id = self.lane_id if lane else None
        self.lines.append(Line(at, kind, data, self.letter.id, tried, lane_id, actor))

    def wait_for_hours(self) -> None:
        """It is night where it would ring."""
        assert self.letter.hours is not None
        opens_at = self.letter.leaves_at
        local = opens_at.astimezone(ZoneInfo(self.letter.hours.zones[0]))
        data = {"until": opens_at.isoformat(), "local": f"{local:%H:%M}"}
        self.tell(self.letter.due_at, "held_for_hours", data)

    def succeed(self, at: datetime) -> datetime:
        """The provider takes it; when."""
        asked = self.status == "unknown"
        tried = self._try(at, self.random.lognormvariate(5.2, 0.5), "succeeded", None, None)
        self.status, self.accepted_at = "accepted", tried.finished_at
        message_id = made_id(self.letter.id, "message")
        self.message_id = f"SM{message_id.hex}" if self.setting.texts else str(message_id)
        data = {"request_id": tried.request_id, "reconciled": asked, "size": 1}
        self.tell(tried.finished_at, "accepted", data, tried=tried.id)
        return tried.finished_at

    def fail(self, at: datetime, evidence: Evidence) -> tuple[ErrorCase, Try]:
        """An attempt that the runbook has something to say of."""
        case = classify(self.setting.cases, evidence)
        took_ms = self.random.lognormvariate(5.4, 0.5)
        if evidence.kind == "timeout":
            took_ms = self.setting.deadline_s * 1000
        state = "unknown" if case.disposition.value == "reconcile" else "failed"
        tried = self._try(at, took_ms, state, evidence, case)
        self._classify(tried.finished_at, evidence, case, tried.id)
        return case, tried

    def refuse_locally(self, at: datetime, evidence: Evidence) -> None:
        """Our own guard does not let it leave."""
        self.next_attempt_at = at
        case = classify(self.setting.cases, evidence)
        self._classify(at, evidence, case, None)
        self.tell(at, "refused", {"case": case.id})
        self.end(at, "refused")
        self.follow(at, case)

    def follow(self, at: datetime, case: ErrorCase) -> None:
        """The steps of the case."""
        for step in case.steps:
            match step.do:
                case "open_task":
                    self.errand(at, step.params, case.id)
                case "suppress":
                    self.listing = Listing(at, step.params["reason"], case.id, how=self._how)
                    why = {"case": case.id, "reason": step.params["reason"]}
                    self.tell(at, "suppressed", why, actor="system", lane=False)
                case "fall_back":
                    ended = self.status in ("refused", "bounced", "failed")
                    self.falls_back_at = at if ended else None
                case "slow_lane":
                    data = {"case": case.id, **{k: float(v) for k, v in step.params.items()}}
                    self.tell(at, "lane_slowed", data, actor="system")
                case "note":
                    data = {"case": case.id, "text": step.params.get("text", "")}
                    self.tell(at, "note", data, actor="system", lane=False)

    @property
    def _how(self) -> str:
        return "webhook" if self.setting.texts else "provider"

    def errand(self, at: datetime, params: Mapping[str, str], case_id: str) -> None:
        """One task of a topic at a time, as the database has it."""
        topic = params.get("topic", case_id)
        if topic in self.asked and at < self.asked[topic]:
            return
        errand_id = made_id(self.letter.id, "task", topic)
        self.errands.append(Errand(errand_id, params["for"], params["text"], case_id, topic, at))
        data = {"for": params["for"], "case": case_id}
        self.tell(at, "task_opened", data, actor="system", lane=False)

    def hear(
        self, at: datetime, event: str, moved_to: str | None, trouble: str | None = None,
        code: str | None = None,
    ) -> None:  # fmt: skip
        """The provider's webhook; where the runbook has a case for its trouble, the steps run."""
        case = classify(self.setting.cases, Evidence("event", code=trouble)) if trouble else None
        known = case is not None and bool(case.match)
        data = {
            "event": event,
            "code": code,
            "moved_to": moved_to,
            "occurred_at": (at - timedelta(seconds=1)).isoformat(),
            "heard": "webhook",
            **({"case": case.id} if case and known else {}),
        }
        self.tell(at, "provider_event", data, actor="provider", lane=False)
        if moved_to:
            self.end(at, moved_to)
        if case and known:
            self.last_case = case.id
            self.follow(at, case)

    def end(self, at: datetime, status: str) -> None:
        self.status, self.ended_at = status, at

    def _try(
        self,
        at: datetime,
        took_ms: float,
        state: str,
        evidence: Evidence | None,
        case: ErrorCase | None,
    ) -> Try:
        asks = self.status == "unknown"
        number = len(self.tries) + 1
        attempt_id = made_id(self.letter.id, "attempt", number)
        answered = evidence is None or evidence.answered
        tried = Try(
            id=attempt_id,
            lane_id=self.lane_id,
            purpose="reconcile" if asks else "send",
            state=state,
            key=self.letter.key,
            traceparent=f"00-{self.letter.id.hex}-{attempt_id.hex[:16]}-01",
            started_at=at,
            took_ms=round(took_ms, 1),
            request_id=f"req_{attempt_id.hex[:20]}" if answered else None,
            evidence=evidence,
            case=case,
        )
        self.tries.append(tried)
        opened = {"number": number, "reconcile": asks, "size": 1}
        self.tell(at, "attempt_opened", opened, tried=attempt_id)
        return tried

    def _classify(
        self, at: datetime, evidence: Evidence, case: ErrorCase, tried: UUID | None
    ) -> None:
        self.last_case = case.id
        self.tell(at, "classified", classification(case, evidence), tried=tried)


# What becomes of a mail whose time has come ------------------------------------------------------


def delivered(story: Story) -> None:
    _arrive(story, story.succeed(_left(story)))


def delivered_after_503(story: Story) -> None:
    _again(story, UNAVAILABLE)
    _arrive(story, story.succeed(_later(story)))


def delivered_after_429(story: Story) -> None:
    _again(story, TEXTS_TOO_FAST if story.setting.texts else TOO_MANY)
    _arrive(story, story.succeed(_later(story)))


def delivered_after_asking(story: Story) -> None:
    unknown(story, _left(story))
    _arrive(story, story.succeed(_later(story)))


def bounced(story: Story) -> None:
    at = story.succeed(_left(story)) + timedelta(seconds=story.random.uniform(1, 40))
    code = story.random.choice(REJECTED)
    trouble = "bounced_for_now" if code.startswith("Transient") else "bounced"
    story.hear(at, "email.bounced", "bounced", trouble, code)


def failed(story: Story) -> None:
    at = story.succeed(_left(story)) + timedelta(seconds=story.random.uniform(1, 40))
    story.hear(at, "email.failed", "failed", "failed")


def complained(story: Story) -> None:
    at = _arrive(story, story.succeed(_left(story)))
    later = at + timedelta(seconds=story.random.uniform(60, 600))
    story.hear(later, "email.complained", None, "complained")


def refused(story: Story) -> None:
    story.refuse_locally(_left(story), NO_ADDRESS)


def expired(story: Story) -> None:
    """Whatever stood in its way lasted until the appointment began."""
    at = story.letter.expires_at
    story.tell(at, "expired", {}, actor="dispatcher", lane=False)
    story.end(at, "expired")


def never_heard_of(story: Story) -> None:
    """Accepted, and the provider said nothing more, however often it was asked."""
    at = story.succeed(_left(story)) + timedelta(hours=7.75)
    story.questions = 5
    story.tell(at, "silent", {"questions": 5}, lane=False)


def given_up(story: Story) -> None:
    """Held, and a person decided against it."""
    at = hold(story, _left(story)) + timedelta(seconds=story.random.uniform(300, 9000))
    story.tell(at, "given_up", {}, actor="front desk", lane=False)
    story.held_reason = None
    story.end(at, "cancelled")


def undelivered(code: str, status: str) -> Fate:
    """A text that was accepted, and that the carrier did not bring."""

    def told(story: Story) -> None:
        at = story.succeed(_left(story)) + timedelta(seconds=story.random.uniform(1, 40))
        story.hear(at, "message.undelivered", status, code, code)

    return told


def stopped(story: Story) -> None:
    """It arrived, and they answered STOP."""
    at = _arrive(story, story.succeed(_left(story)))
    at += timedelta(seconds=story.random.uniform(20, 900))
    story.listing = Listing(at, OPTED_OUT, None, how="keyword", actor="client")
    why = {"case": None, "reason": OPTED_OUT}
    story.tell(at, "suppressed", why, actor="system", lane=False)


def useless_at_night(story: Story) -> None:
    """Where it would ring it is night until it is of no use."""
    story.refuse_locally(story.letter.due_at, TOO_LATE_AT_NIGHT)


Fate = Callable[[Story], None]
# In ten thousand.
FATES: Mapping[Fate, int] = MappingProxyType(
    {
        delivered:              9650,
        delivered_after_503:      70,
        delivered_after_429:      40,
        delivered_after_asking:   40,
        complained:                4,
        bounced:                 140,
        failed:                   10,
        refused:                  14,
        expired:                  12,
        never_heard_of:           12,
        given_up:                  8,
    }
)  # fmt: skip


# In ten thousand texts.
TEXT_FATES: Mapping[Fate, int] = MappingProxyType(
    {
        delivered:                      9480,
        delivered_after_429:              40,
        delivered_after_asking:           40,
        undelivered("30003", "bounced"): 130,
        undelivered("30004", "bounced"):  20,
        undelivered("30005", "bounced"):  40,
        undelivered("30006", "bounced"):  50,
        undelivered("30007", "failed"):   60,
        undelivered("30008", "failed"):   30,
        stopped:                          90,
        never_heard_of:                   12,
        given_up:                          8,
    }
)  # fmt: skip


# In flight -------------------------------------------------------------------------------------


def hold(story: Story, at: datetime) -> datetime:
    """No case matches what the provider said: it waits for a person."""
    strange = story.setting.strange
    case, tried = story.fail(at, strange)
    story.status, story.held_reason = "held", f"{case.title}: {strange.summary()}"
    data = {"case": case.id, "reason": story.held_reason}
    story.tell(tried.finished_at, "held", data, tried=tried.id)
    story.follow(tried.finished_at, case)
    return tried.finished_at


def unknown(story: Story, at: datetime) -> datetime:
    """No answer came in time; the provider is asked before anything else. When it is."""
    case, tried = story.fail(at, SILENT)
    story.status = "unknown"
    in_s = round(story.random.uniform(1, 4), 1)
    data = {"case": case.id, "ask_again_in_s": in_s}
    story.tell(tried.finished_at, "outcome_unknown", data, tried=tried.id)
    story.follow(tried.finished_at, case)
    story.next_attempt_at = tried.finished_at + timedelta(seconds=in_s)
    return story.next_attempt_at


def retrying(story: Story, at: datetime) -> datetime:
    """The provider was away for a moment; when it is tried again."""
    return _wait(story, at, story.setting.busy)


def cancelled(story: Story) -> None:
    """Its appointment changed before it was due."""
    assert story.letter.cancelled_at is not None
    at = story.letter.cancelled_at
    reason = {"reason": "the appointment changed"}
    story.tell(at, "cancelled", reason, actor="front desk", lane=False)
    story.end(at, "cancelled")


def _wait(story: Story, at: datetime, evidence: Evidence) -> datetime:
    case, tried = story.fail(at, evidence)
    in_s = round(story.random.uniform(1, 4) + (evidence.retry_after_s or 0), 1)
    data = {"case": case.id, "in_s": in_s, "retry_after_s": evidence.retry_after_s}
    story.tell(tried.finished_at, "retry_scheduled", data, tried=tried.id)
    story.follow(tried.finished_at, case)
    story.next_attempt_at = tried.finished_at + timedelta(seconds=in_s)
    return story.next_attempt_at


def _again(story: Story, evidence: Evidence) -> None:
    _wait(story, _left(story), evidence)


def _left(story: Story) -> datetime:
    """When its first try began."""
    longest = 20.0 if story.letter.lane_class == "bulk" else 2.0
    return story.letter.leaves_at + timedelta(seconds=story.random.uniform(0.2, longest))


def _later(story: Story) -> datetime:
    assert story.next_attempt_at is not None
    return story.next_attempt_at + timedelta(seconds=story.random.uniform(0.1, 1.0))


def _arrive(story: Story, accepted_at: datetime) -> datetime:
    at = accepted_at + timedelta(seconds=story.random.lognormvariate(0.6, 0.6))
    story.hear(at, f"{story.setting.event}.delivered", "delivered")
    return at
