"""Plain words for codes and states, so that nobody has to know ours at three in the morning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mentalspace.engine.acknowledged import OWED

Tone = Literal["ok", "info", "warn", "bad", "idle"]


@dataclass(frozen=True, slots=True)
class State:
    """A state as shown: its word, whose shape and colour only repeat it, and what it means."""

    word: str
    tone: Tone
    meaning: str


_STATUS: Mapping[str, State] = {
    "pending":   State("Waiting",   "idle", "its time has not come, or it waits for its next try"),
    "due":       State("Due",       "info", "its time has come; a worker is being woken"),
    "sending":   State("Sending",   "info", "a worker holds it"),
    "unknown":   State("Unknown",   "warn", "perhaps sent; {provider} is asked what it did"),
    "held":      State("Held",      "warn", "waits for a person to decide"),
    "accepted":  State("Accepted",  "info", "{provider} has it; not yet in the mailbox"),
    "delivered": State("Delivered", "ok",   "the recipient's server has it"),
    "bounced":   State("Bounced",   "bad",  "the recipient's server sent it back"),
    "refused":   State("Refused",   "bad",  "it cannot be sent as it is; nothing more is tried"),
    "failed":    State("Failed",    "bad",  "it did not arrive; nothing more is tried"),
    "cancelled": State("Cancelled", "idle", "no longer needed; it was not sent"),
    "expired":   State("Expired",   "warn", "its time passed before it could be sent"),
}  # fmt: skip
STATUSES = tuple(_STATUS)
# Who takes a text up hands it on, and only the carrier learns whether it arrived.
_STATUS_OF_TEXTS: Mapping[str, State] = {
    "accepted":  State("With the carrier", "info", "{provider} has it; nobody says yet that it"
                                                   " arrived"),
    "delivered": State("Delivered", "ok", "the carrier says that the telephone has it"),
    "bounced":   State("Not delivered", "bad", "the carrier could not bring it"),
}  # fmt: skip

BUDGET: Mapping[str, State] = {
    "none": State("No data", "idle", "nothing was counted"),
    "within": State("Within", "ok", "fewer failed than the target allows"),
    "few": State("Within", "ok", "none failed; so few allow no failure"),
    "chance": State("Over, perhaps chance", "warn", "more failed than allowed, as may be chance"),
    "spent": State("Overspent", "bad", "more failed than the target allows"),
}
SEVERITY: Mapping[str, State] = {
    "critical": State("Critical", "bad", "the feature is down"),
    "high":     State("High", "bad", "the feature is broken"),
    "medium":   State("Medium", "warn", "the feature is degraded"),
    "low":      State("Low", "info", "a minor matter"),
}  # fmt: skip

INCIDENT: Mapping[str, State] = {
    "open":         State("Open", "bad", "nobody has taken it yet"),
    "acknowledged": State("Acknowledged", "info", "somebody has taken it; escalation waits"),
    "resolved":     State("Resolved", "ok", "a person said that it is over"),
}  # fmt: skip
# What an incident's page says after a button was pressed.
INCIDENT_DONE: Mapping[str, str] = {
    "acknowledged": "Acknowledged. Escalation has stopped until the second clock runs out.",
    "owed": OWED,
    "resolved": "Resolved. If its cause lasts, it is open again within a minute, and pages again.",
    "archived": "Archived. It comes back by itself when it gets worse.",
    "unarchived": "It is in the list again.",
    "too_late": "Nothing changed: it was done already.",
}

_OVER = State("Over, not closed", "ok", "its cause is gone; somebody looks, and closes it")


def severity(incident: Any) -> State:
    """Of an incident; once its cause is gone it is loud no more."""
    known = SEVERITY[incident["severity"]]
    return State(known.word, "idle", known.meaning) if _is_over(incident) else known


def incident(found: Any) -> State:
    """How it stands: one that is over says so, though nobody has closed it."""
    return _OVER if _is_over(found) else INCIDENT[found["status"]]


def _is_over(incident: Any) -> bool:
    return incident["recovered_at"] is not None and incident["status"] != "resolved"


# Why an incident that somebody had, or nobody needed to have, is open once more.
RETURNED: Mapping[str, str] = {
    "incident_regressed":    "Came back",
    "got_worse":             "Worse than when archived",
    "acknowledgment_lapsed": "Not over in time",
    "cause_changed":         "Another cause",
}  # fmt: skip


def returned(found: Any) -> str | None:
    """Of an incident that nobody has: why it is open once more, if it is."""
    if found["status"] != "open" or not found["returned"]:
        return None
    if found["returned"] == "incident_regressed" and before(found):
        return RETURNED["cause_changed"]
    still = found["returned"] == "incident_regressed" and found["closed_at"] is not None
    return "Still going on" if still else RETURNED[found["returned"]]


DISPOSITION: Mapping[str, str] = {
    "retry": "tried again by itself, each wait longer than the last",
    "wait": "the lane pauses until the cause is gone; nothing is lost",
    "refuse": "final for this message",
    "reconcile": "outcome unknown; the provider is asked before any second try",
    "human": "held until a person decides",
}

# Beside a button that is not recommended: when one takes it all the same.
TAKEN_WHEN: Mapping[str, str] = {
    "pause": "If what is sent is wrong: all waits, also what falls due later.",
    "resume": "Once the cause is gone.",
    "hold": "If what waits now must not go: a person lets each go, what falls due later goes.",
    "replay": "Once the cause is gone, for what is held.",
    "switch": "If it is to take over now, and not after its time of trouble.",
    "stop_trying": "If the provider asks to be left alone: no probe goes either.",
    "try_anyway": "Once the provider is known to answer again.",
    "automatic": "Once what was set by hand has done its work.",
}

_KIND: Mapping[str, str] = {
    "appointment_created": "Booking confirmation",
    "appointment_updated": "Appointment moved",
    "appointment_cancelled": "Cancellation",
    "created": "Booking confirmation",
    "updated": "Appointment moved",
    "cancelled": "Cancellation",
    "reminder": "Reminder",
    "password_reset": "New password",
    "portal_invitation": "Portal invitation",
    "receipt": "Receipt",
    "log_in_code": "Log-in code",
    "staff_page": "Page to a colleague",
    "opt_out_confirmation": "Opt-out confirmed",
    "opt_in_confirmation": "Texts resumed",
    "help": "Answer to HELP",
    "reply": "Reply by text",
    "answer_confirmed": "Answer to a text",
    "answer_called_off": "Answer to a text",
    "answer_too_late": "Answer to a text",
    "answer_unclear": "Answer to a text",
}

_LANGUAGE: Mapping[str, str] = {"en": "English", "es": "Spanish"}

_SUPPRESSION: Mapping[str, str] = {
    "bounced": "the address does not exist any more",
    "complained": "they marked our mail as spam",
    "opted_out": "they asked for no more",
    "landline": "the number takes no texts",
    "no such number": "the number does not exist",
    "provider's list": "the provider writes to them no more",
}

_FAULT: Mapping[str, str] = {
    "ours": "Ours",
    "theirs": "Theirs",
    "recipient": "The recipient’s",
    "unclear": "Unclear",
}

_ROLE: Mapping[str, str] = {
    "oncall": "On-call engineer",
    "administrator": "Administrator",
    "clinician": "Clinician",
    "biller": "Biller",
    "front_desk": "Front desk",
    "client": "Client",
}


_CHANNELS = {"email": "E-mail", "sms": "Text"}

_TARGETS = {"oncall": "On-call engineer", "cto": "CTO", "assigned": "Assigned engineer"}

_CONTACTS = {
    "apprise": "Apprise",
    "pagerduty": "PagerDuty",
    "email": "our own mail",
    "sms": "our own text",
}

_WAY_STATES = {"sent": "sent", "failed": "not sent", "left_out": "left out"}

# What is wrong with a number that nobody can dial.
NUMBER_PROBLEMS = {
    "not_a_number":    "cannot be dialled: it does not read as a telephone number",
    "unknown_region":  "cannot be dialled: no country has this code",
    "too_short":       "cannot be dialled: digits are missing; give it with its area code",
    "too_long_number": "cannot be dialled: it has too many digits",
    "no_such_range":   "cannot be dialled: no number begins like this; look for a typing error",
}  # fmt: skip

_PHONE_KIND = {
    "mobile": "mobile",
    "landline": "landline",
    "voip": "internet telephone",
    "either": "mobile or landline",
    "unknown": "of unknown kind",
}

WAYS: Mapping[str, str] = {"email": "e-mail", "text": "text", "both": "e-mail and text"}


def status(name: str, provider: str = "the provider", integration: str = "") -> State:
    of_texts = _STATUS_OF_TEXTS if integration == "sms" else {}
    known = of_texts.get(name) or _STATUS.get(name, State(plain(name), "idle", ""))
    return State(known.word, known.tone, known.meaning.format(provider=provider))


def kind(name: str) -> str:
    return _KIND.get(name, plain(name))


def kinds_called(name: str) -> list[str]:
    """Every kind that people know by the same words as this one; it is among them."""
    return sorted({name, *(other for other, words in _KIND.items() if words == kind(name))})


def channel(integration: str) -> str:
    return _CHANNELS.get(integration, plain(integration))


def target(name: str) -> str:
    """Whom a page is for."""
    return _TARGETS.get(name, plain(name))


def contact(kind: str) -> str:
    """A way to reach somebody."""
    return _CONTACTS.get(kind, plain(kind))


def page_way(way: Mapping[str, str | None]) -> str:
    """What became of a page on one way to somebody, who is named in the way's label."""
    state = _WAY_STATES[str(way["state"])]
    return f"{way['label']}: {state}" + (f", {way['error']}" if way["error"] else "")


def phone_kind(kind: str) -> str:
    return _PHONE_KIND.get(kind, plain(kind).lower())


def phone_problem(code: str, *, chose_texts: bool, by_mail: bool) -> str:
    """Why no text reaches a number, and what then happens where the client chose texts."""
    known = {**NUMBER_PROBLEMS, "landline": "landline: it takes calls, and no texts"}
    problem = known.get(code, plain(code))
    if not chose_texts:
        return problem
    instead = "what would be a text goes by e-mail" if by_mail else "nothing goes by e-mail instead"
    return f"{problem}. {instead.capitalize()}"


def ways(by: str) -> str:
    """By which way news goes, after "by"."""
    return WAYS[by]


def suppression(reason: str) -> str:
    return _SUPPRESSION.get(reason, reason)


def step(do: str, params: Mapping[str, str]) -> str:
    """A step of a case, as something that has been done."""
    match do:
        case "open_task":
            return f"a task for the {role(params.get('for', 'front_desk')).lower()}"
        case "fall_back":
            return "the same news goes by mail, where the client allows it"
        case "suppress":
            return "the address is written to no more"
        case "name_wording":
            return "the timeline names the text by its template, and what of it looks like spam"
        case "mark_landline":
            return "the client’s page says that this number takes no texts"
        case "slow_lane":
            return "sent more slowly for a while"
        case "note":
            return "a note in the timeline"
    return plain(do).lower()


def fault(name: str | None) -> str:
    return _FAULT.get(name or "unclear", "Unclear")


def whose(incident: Any) -> str:
    """Of an incident: its fault, most likely where the evaluator inferred it against the cases of
    its tries."""
    likely = ", most likely" if incident["facts"].get("met") else ""
    return f"{fault(incident['fault'])}{likely}"


def entered_at(incident: Any) -> datetime | None:
    """When the secret was entered with which nothing has gone well, of an incident that is ours for
    that."""
    at = incident["facts"].get("entered_at")
    return datetime.fromisoformat(at) if at else None


def tried_as(incident: Any) -> str:
    """Whose fault the tries of an incident say that it is, which the evaluator may know better."""
    return str(incident["facts"].get("met") or incident["fault"])


@dataclass(frozen=True, slots=True)
class Begun:
    """Since when a credential reaches nobody but test recipients, who did it, and whether by the
    switch or as it was stored."""

    at: datetime
    by: str
    by_hand: bool

    @property
    def how(self) -> str:
        return "switched on" if self.by_hand else "on since it was stored"

    @property
    def who(self) -> str:
        """As somebody to be asked."""
        return "whoever was at the command line" if self.by == "command line" else self.by


def test_mode(incident: Any) -> Begun | None:
    known = incident["facts"].get("test_mode")
    if not known:
        return None
    return Begun(datetime.fromisoformat(known["at"]), known["by"], known["by_hand"])


def title(incident: Any) -> str:
    """What it is called; of a credential left in test mode by that, and not by the rule that saw
    it."""
    begun = test_mode(incident)
    if begun is None:
        return str(incident["title"])
    how = "Left in test mode" if begun.by_hand else "Stored in test mode"
    return f"{how} by {begun.by}, since {begun.at:%H:%M} UTC on {begun.at:%-d %b}"


def before(incident: Any) -> Mapping[str, Any] | None:
    """Of one that was over or closed and has another cause now: the `case` and `fault` before."""
    known: Mapping[str, Any] | None = incident["facts"].get("before")
    return known


def turned_at(incident: Any) -> datetime | None:
    """Since when it is ours, of an incident that was told as theirs first."""
    at = incident["facts"].get("turned_at")
    return datetime.fromisoformat(at) if at else None


def role(name: str) -> str:
    return _ROLE.get(name, plain(name))


def language(code: str) -> str:
    known = _LANGUAGE.get(code.lower().replace("_", "-").partition("-")[0])
    return known or f"{code} (mails are in English)"


def lead(minutes: int) -> str:
    """How long before an appointment, in its largest whole unit: `7 days`, `90 minutes`."""
    for name, length in (("day", 1440), ("hour", 60)):
        if minutes % length == 0:
            return count(minutes // length, name)
    return count(minutes, "minute")


def plain(code: str) -> str:
    """`appointment_created` as a person would write it."""
    return code.replace("_", " ").replace(".", " ").strip().capitalize()


def sentence(text: str) -> str:
    """With a capital in front and a full stop behind; the rest stays as it is."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def span(length: timedelta | float | None) -> str:
    """A length of time in its one or two largest units: `12 s`, `4 min`, `3 h 20 min`, `2 d`."""
    if length is None:
        return "no time"
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    if seconds < 60:
        return f"{max(seconds, 0)} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def relative(at: datetime, now: datetime) -> str:
    """`4 min ago` or `in 3 h`; nearer than a minute it does not tick, so that pages hold still."""
    apart = now - at
    if abs(apart) < timedelta(minutes=1):
        return "just now" if apart >= timedelta(0) else "within a minute"
    return f"{span(apart)} ago" if apart > timedelta(0) else f"in {span(-apart)}"


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 person`, `41 people`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
