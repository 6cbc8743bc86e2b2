"""Turns timeline lines into sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.words import Tone

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `times` counts equal lines that followed each other."""

    at: datetime
    text: str
    tone: Tone
    case_id: str | None
    actor: str
    times: int = 1


def narrate(
    rows: Iterable[Any],
    provider: str,
    title: Callable[[str], str] = words.plain,
    *,
    opened_at: datetime | None = None,
) -> list[Line]:
    """`rows` have at, kind, data, actor; lines that say the same one after another become one.

    `provider` is whose the story is in the end; `title` names those it went over from and to. What
    was before `opened_at` says so.
    """
    rows = list(rows)
    went = [row["data"] for row in rows if row["kind"] == "moved" and "count" not in row["data"]]
    provider = title(str(went[0]["from"])) if went else provider
    told: list[Line] = []
    for row in rows:
        data: Data = row["data"] or {}
        if row["kind"] == "moved":
            data = {**data, "from": title(str(data["from"])), "to": title(str(data["to"]))}
            provider = provider if "count" in data else str(data["to"])
        tone, say = _SAYINGS.get(row["kind"], ("idle", _unknown(row["kind"])))
        tone = "bad" if row["kind"] == "provider_event" and data.get("case") else tone
        text = say(data, provider) + _where(data)
        if opened_at is not None and row["at"] < opened_at:
            text += ", before this opened"
        line = Line(row["at"], text, tone, data.get("case"), _who(row["actor"]))
        if told and (told[-1].text, told[-1].actor) == (line.text, line.actor):
            told[-1] = replace(told[-1], times=told[-1].times + 1)
        else:
            told.append(line)
    return told


def deeds(rows: Iterable[Any], provider: str, title: Callable[[str], str]) -> list[str]:
    """What the system did to keep messages going, in a phrase each, the latest last."""
    kept = [row for row in rows if row["kind"] in _DEEDS]
    told = [line.text[:1].lower() + line.text[1:] for line in narrate(kept, provider, title)]
    return list(dict.fromkeys(told))[-3:]


def _where(data: Data) -> str:
    """How many practices of a group a line is of; `more` are those beside the one that leads."""
    if more := int(data.get("more") or 0):
        return f", at {words.count(more, 'more practice')}"
    practices = int(data.get("practices") or 1)
    return f", at {practices:,} practices" if practices > 1 else ""


def _who(actor: str) -> str:
    """Processes and people by name; a bare id is somebody of the practice."""
    try:
        UUID(actor)
    except ValueError:
        return actor
    return "a person of the practice"


def _unknown(kind: str) -> Callable[[Data, str], str]:
    return lambda _data, _provider: words.plain(kind)


def _created(data: Data, _provider: str) -> str:
    return f"Written down: {words.kind(str(data.get('kind', 'message'))).lower()}"


def _attempt_opened(data: Data, provider: str) -> str:
    size = int(data.get("size") or 1)
    batch = f", in one request with {size - 1} more" if size > 1 else ""
    if data.get("reconcile"):
        return f"Asked {provider} what became of it{batch}"
    return f"Try {data.get('number', '')} began".replace("  ", " ") + batch


def _classified(data: Data, _provider: str) -> str:
    where = "Our own check" if data.get("refused_locally") else "The answer"
    meaning = words.DISPOSITION.get(str(data.get("disposition")), "")
    said = f", “{data['said']}”" if data.get("said") else ""
    return f"{where} was {data.get('evidence', 'unclear')}{said}: {meaning}"


def _retry(data: Data, provider: str) -> str:
    text = f"Next try in {words.span(data.get('in_s'))}"
    asked = data.get("retry_after_s")
    return f"{text}; {provider} asked for at least {words.span(asked)}" if asked else text


def _outcome_unknown(data: Data, provider: str) -> str:
    return f"Outcome unknown; asks {provider} in {words.span(data.get('ask_again_in_s'))}"


def _unknown_shown(data: Data, _provider: str) -> str:
    return f"Shown to a person: its outcome has been unknown for {words.span(data.get('for_s'))}"


def _hours(data: Data, _provider: str) -> str:
    return f"Held until {data.get('local')} by the recipient’s clock: it is not sent at night"


def _paused(data: Data, _provider: str) -> str:
    if data.get("only") == "phi":
        return "Paused the lane for what names a client, until an agreement holds"
    for_s = data.get("for_s")
    until = f"for {words.span(float(for_s))}" if for_s else "until the credential is changed"
    return f"Paused the lane {until}; what waits is kept"


def _moved(data: Data, _provider: str) -> str:
    what = f"{words.count(int(data['count']), 'message')} went" if "count" in data else "Went"
    if data.get("because") == "switched":
        return f"{what} over from {data['from']} to {data['to']}: a person switched"
    why = "is paused" if data.get("because") == "paused" else "keeps failing"
    return f"{what} over to {data['to']}, because {data['from']} {why}"


def _slowed(data: Data, _provider: str) -> str:
    return f"Slowed to {data.get('per_s', '?')} a second for {words.span(data.get('for_s'))}"


def _event(data: Data, provider: str) -> str:
    code = f" ({data['code']})" if data.get("code") else ""
    moved = "" if data.get("moved_to") or data.get("case") else "; it changed nothing"
    return f"{provider} reported: {data.get('event', 'an event')}{code}{moved}"


def _suppressed(data: Data, _provider: str) -> str:
    return f"Nobody writes to this address any more: {words.suppression(str(data.get('reason')))}"


def _silent(data: Data, provider: str) -> str:
    asked = words.count(int(data.get("questions") or 0), "time")
    return f"{provider} says nothing of it, though asked {asked}"


def _task(data: Data, _provider: str) -> str:
    return f"Opened a task for the {words.role(str(data.get('for', 'practice'))).lower()}"


def _lost(data: Data, _provider: str) -> str:
    now = words.status(str(data.get("now", "due"))).word.lower()
    return f"The worker holding it was lost; the message is kept and now {now}"


def _acknowledged(data: Data, _provider: str) -> str:
    if "said_at" not in data:
        return "Acknowledged; escalation stopped"
    said_at = datetime.fromisoformat(data["said_at"]).astimezone(UTC)
    return (
        f"Acknowledged at {said_at:%H:%M:%S} UTC, while a table was locked; escalation stopped then"
    )


def _follows(data: Data, _provider: str) -> str:
    if data.get("of") == "lock":
        return "The same lock is in the way elsewhere: one page for all"
    return "It follows from a worker that starts again and again"


def _stands_alone(data: Data, _provider: str) -> str:
    if data.get("of") == "lock":
        return "What it followed from is over; this stays"
    return "The worker starts again and again no more; this stays"


def _opened(data: Data, _provider: str) -> str:
    return f"Opened this incident by rule {data.get('rule', '')}"


def _recovered(data: Data, _provider: str) -> str:
    if "successes" not in data:
        return "Looks recovered"
    messages = words.count(int(data.get("successes", 0)), "message")
    return f"Looks recovered: {messages} went through since"


def _lapsed(data: Data, _provider: str) -> str:
    within = words.span(data.get("within_s"))
    return f"{data.get('by') or 'Whoever'} had it, and it was not over within {within}: open again"


def _came_back(data: Data, _provider: str) -> str:
    text = "It came back after it had looked recovered"
    if data.get("closed_at"):
        text = f"Open again: {data.get('by') or 'somebody'} closed it while it lasted"
    if "case_before" not in data:
        return text
    return f"{text}. Another cause now: {_cause(data)}; before it was {_cause(data, '_before')}"


def _cause(data: Data, when: str = "") -> str:
    """`theirs, email.server_error`"""
    said = (data.get(f"fault{when}"), data.get(f"case{when}"))
    return ", ".join(str(one) for one in said if one) or "not known"


def _turned(data: Data, provider: str) -> str:
    case = f" ({data['case']})" if data.get("case") else ""
    text = f"Another cause, and it is ours: {provider} refuses what we send{case}"
    if data.get("because") == "entered":
        text = f"It is ours, most likely: nothing goes well with the secret entered last{case}"
    if data.get("closed_at"):
        text = f"Open again: {data.get('by') or 'somebody'} closed it while it lasted. {text}"
    before = _cause(data, "_before") if "case_before" in data else ""
    return f"{text}; before it was {before}" if before else text


def _fault_changed(data: Data, provider: str) -> str:
    if data.get("because") == "refused_together":
        return f"Theirs, most likely: {provider} refuses the keys of many practices at once"
    return f"Theirs after all: {provider} fails others as well; what was entered is not to blame"


def _action(data: Data, _provider: str) -> str:
    return f"Asked for: {data.get('text', 'somebody to act')}"


def _escalated(data: Data, _provider: str) -> str:
    return f"Nobody acknowledged in time: paged {', '.join(data.get('to') or ['the next step'])}"


def _page(verb: str) -> Callable[[Data, str], str]:
    return lambda data, _provider: f"{verb} {data.get('target', 'somebody')}"


def _acted(data: Data, _provider: str) -> str:
    minutes, reason = data.get("minutes"), data.get("reason")
    until = f", for {words.span(float(minutes) * 60)}" if minutes else ""
    return f"{data.get('title', 'Acted')}{until}{f': {reason}' if reason else ''}"


def _looked_up(data: Data, provider: str) -> str:
    kind = data.get("kind")
    if kind is None:
        return f"{provider} was asked what this number is, and did not say: the text goes"
    return f"{provider} was asked what this number is: {words.phone_kind(str(kind))}"


def _wording(data: Data, _provider: str) -> str:
    signs = ", ".join(data.get("signs") or ()) or "nothing that is known to look like spam"
    what = words.kind(str(data.get("kind", "text")))
    return f"The text was “{what}” in {words.language(str(data.get('language', 'en')))}: {signs}"


def _got_worse(data: Data, _provider: str) -> str:
    before, now = data.get("before"), data.get("people")
    return f"It got worse in the archive, and is open again: {before} people then, {now} now"


def _fixed(text: str) -> Callable[[Data, str], str]:
    return lambda _data, provider: text.format(provider=provider)


def _with(prefix: str, key: str) -> Callable[[Data, str], str]:
    return lambda data, _provider: f"{prefix}: {data[key]}" if data.get(key) else prefix


def _finished(prefix: str) -> Callable[[Data, str], str]:
    say = _with(prefix, "text")
    return lambda data, provider: ": ".join(
        filter(None, (say(data, provider), str(data.get("note") or "")))
    )


def _accepted(data: Data, provider: str) -> str:
    return f"{provider} had it already" if data.get("reconciled") else f"{provider} took it"


_DEEDS = frozenset({"moved", "lane_paused", "lane_slowed", "breaker_opened", "breaker_closed"})
_SAYINGS: Mapping[str, tuple[Tone, Callable[[Data, str], str]]] = {
    "delivery_created":   ("idle", _created),
    "attempt_opened":     ("info", _attempt_opened),
    "accepted":           ("ok",   _accepted),
    "classified":         ("bad",  _classified),
    "left_batch":         ("warn", _with("It goes by itself now; the batch got", "because")),
    "retry_scheduled":    ("warn", _retry),
    "outcome_unknown":    ("warn", _outcome_unknown),
    "unknown_shown":      ("warn", _unknown_shown),
    "held":               ("warn", _with("Held for a person", "reason")),
    "held_for_hours":     ("idle", _hours),
    "released":           ("info", _fixed("A person let it go on")),
    "sent_again":         ("info", _fixed("A person sent it again, as another message")),
    "given_up":           ("idle", _fixed("A person decided not to send it")),
    "marked_sent":        ("ok",   _fixed("A person found it at {provider}")),
    "refused":            ("bad",  _fixed("Final: it will not be tried again")),
    "expired":            ("warn", _fixed("Its time passed; it was not sent")),
    "cancelled":          ("idle", _with("Cancelled", "reason")),
    "worker_lost":        ("warn", _lost),
    "provider_event":     ("info", _event),
    "silent":             ("warn", _silent),
    "asked_once_more":    ("info", _fixed("A person had {provider} asked once more")),
    "put_away":           ("idle", _fixed("A person has seen to it")),
    "suppressed":         ("warn", _suppressed),
    "suppression_lifted": ("info", _fixed("A person let this address be written to again")),
    "note":               ("info", lambda d, _p: str(d.get("text") or "A note")),
    "task_opened":        ("info", _task),
    "mail_not_written":   ("warn", _with("No message was written", "reason")),
    "text_not_written":   ("warn", _with("No text was written", "reason")),
    "link_by_mail":       ("info", _fixed("A link to log in goes by mail now")),
    "told_by_mail":       ("info", _fixed("The same news goes by mail now")),
    "not_told_otherwise": ("warn", _with("No mail went in its place", "reason")),
    "number_looked_up":   ("info", _looked_up),
    "marked_landline":    ("warn", _fixed("Kept on the client: this number takes no texts")),
    "wording_named":      ("info", _wording),
    "moved":              ("warn", _moved),
    "lane_paused":        ("warn", _paused),
    "lane_slowed":        ("warn", _slowed),
    "lane_resumed":       ("ok",   _with("The lane runs again", "because")),
    "breaker_opened":     ("bad",  _fixed("Breaker opened: {provider} keeps failing")),
    "breaker_closed":     ("ok",   _fixed("Breaker closed: {provider} answers again")),
    "incident_opened":    ("bad",  _opened),
    "incident_regressed": ("bad",  _came_back),
    "incident_recovered": ("ok",   _recovered),
    "seen_by_prometheus": ("info", _fixed("Prometheus sees it as well")),
    "prometheus_resolved": ("info", _fixed("Prometheus sees it no more, or sees nothing any more")),
    "escalated":          ("warn", _escalated),
    "acknowledgment_lapsed": ("bad", _lapsed),
    "action_asked":       ("info", _action),
    "step_done":          ("ok",   _finished("Done")),
    "ticket_closed":      ("ok",   _finished("Ticket closed")),
    "page_sent":          ("info", _page("Paged")),
    "page_failed":        ("bad",  _page("Could not page")),
    "joined":             ("info", _fixed("The same cause as elsewhere: one page for all")),
    "cause_changed":      ("bad",  _turned),
    "fault_changed":      ("warn", _fault_changed),
    "leads_now":          ("info", _fixed("Leads its group: of the first the cause is another")),
    "follows":            ("info", _follows),
    "stands_alone":       ("warn", _stands_alone),
    "archived":           ("idle", _fixed("Archived until it gets worse")),
    "unarchived":         ("info", _fixed("Taken out of the archive")),
    "got_worse":          ("bad",  _got_worse),
    "acted":              ("info", _acted),
    "acknowledged":       ("ok",   _acknowledged),
    "resolved":           ("ok",   _fixed("Resolved")),
}  # fmt: skip
