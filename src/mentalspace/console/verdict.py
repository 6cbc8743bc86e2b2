"""Ours or theirs, in one sentence with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mentalspace.console import words
from mentalspace.console.queries.apart import Apart
from mentalspace.engine.house_alert import HOUSE
from mentalspace.engine.rate_alerts import rate_text
from mentalspace.kernel.errors import Ending, Evidence, left_at
from mentalspace.workflows.doctor.way_out import WayOut


@dataclass(frozen=True, slots=True)
class Verdict:
    """`whose` is a word or a few; `because` names the answer that says so; `elsewhere` is a second
    witness: the same provider asked through other credentials. `partly` is how much of it is the
    other side's, and what."""

    whose: str
    because: str
    elsewhere: str | None
    partly: str | None = None


_ENDS: Mapping[Ending, str] = {
    "lost": "breaks the connection off",
    "silent": "falls silent",
    "garbled": "says what cannot be read",
}
# Of which no try failed: what others are answered says nothing of them.
_UNTRIED: Mapping[str, str] = {
    "refused": "Our own rules refuse it before anything leaves; {provider} is not asked",
    "undelivered": "{provider} takes it, and it does not arrive",
}


def verdict(
    incident: Any,
    facts: Mapping[str, Any],
    provider: str,
    apart_title: str | None = None,
    kind: str = "",
) -> Verdict:
    """`apart_title` is the case by which its other part failed, in words; `kind` is `About`'s."""
    whose = words.whose(incident)
    if incident["integration"] == HOUSE:
        return Verdict(whose, "A part of the house itself; no provider is asked", None)
    if rate := rate_text(incident["facts"]):
        # Answers elsewhere say nothing of addresses or of a reputation.
        return _with_part(Verdict(whose, rate, None), incident, facts, apart_title)
    if facts["latest"] is None and kind in _UNTRIED:
        return Verdict(whose, f"{_begun(incident)}{_UNTRIED[kind].format(provider=provider)}", None)
    inferred = _inferred(incident, provider)
    because = (
        f"{inferred}; {_answer(facts['latest'])}"
        if inferred
        else _because(incident["fault"], facts["latest"], provider)
    )
    found = Verdict(whose, because, _elsewhere(facts, provider))
    return _with_part(found, incident, facts, apart_title)


def part_of(incident: Any, facts: Mapping[str, Any]) -> Apart | None:
    """What of an incident is the other side's at the same time, if it is more than chance; of one
    that turned the other side was before."""
    apart: Apart | None = facts.get("apart")
    turned = words.turned_at(incident) is not None
    return apart if apart is not None and apart.is_part and not turned else None


def _inferred(incident: Any, provider: str) -> str | None:
    """Why it is told as the evaluator judged it, where the cases of its tries say otherwise."""
    if incident["facts"].get("refused_together"):
        practices = incident["facts"].get("practices")
        of = words.count(practices, "practice") if practices else "other practices as well"
        return f"{provider} refuses the keys of {of}: many do not expire at once"
    if (entered := words.entered_at(incident)) is not None:
        good = incident.get("last_good_at")
        if good is not None and good > entered:
            return (
                f"It began when its secret and address were entered anew at {entered:%H:%M:%S} UTC;"
                f" calls have gone well since, the last at {good:%H:%M:%S} UTC"
            )
        return (
            f"Nothing has gone well since its secret and address were entered anew at"
            f" {entered:%H:%M:%S} UTC"
        )
    if others := incident["facts"].get("others_fail"):
        of = words.count(others, "other credential")
        return f"{provider} fails {of} as well, so that what was entered last is not to blame"
    if taken := incident["facts"].get("taken_by_others"):
        allowed = incident["facts"]["named_limit"]
        return (
            f"Somebody else sends by this account too: of the {allowed} calls at a time that"
            f" {provider} allows it, others took {taken}"
        )
    return None


def _begun(incident: Any) -> str:
    begun = words.test_mode(incident)
    if begun is None:
        return ""
    return (
        f"Test mode was {begun.how} at {begun.at:%H:%M:%S} UTC on {begun.at:%-d %b} by {begun.by}. "
    )


def _answer(latest: Any | None) -> str:
    if latest is None:
        return "no try of it has failed since this began"
    return f"the last answer that failed was {evidence_of(latest)}"


def _because(fault: str, latest: Any | None, provider: str) -> str:
    answer = _answer(latest)
    match fault:
        case "ours":
            return f"{provider} answers, and refuses what we send: {answer}"
        case "theirs":
            return f"{_how_it_fails(latest, provider)}: {answer}"
        case "recipient":
            return f"{provider} works; the addresses do not: {answer}"
    return f"The runbook does not say; {answer}"


def _how_it_fails(latest: Any | None, provider: str) -> str:
    """By how we know: one that answers rubbish is reached, and one that is slow is no network's."""
    match latest["evidence_kind"] if latest else None:
        case "malformed":
            return f"{provider} answers, but nothing in it can be read"
        case "http" | "reply":
            return f"{provider} answers, and fails at its own end"
        case "timeout":
            return f"{provider} does not answer in time"
        case "reset":
            return f"{provider} breaks the connection off"
        case "connect":
            return f"{provider} {_how_it_ends(latest['code'] if latest else None)}"
    return f"{provider} fails or cannot be reached"


def _how_it_ends(code: str | None) -> str:
    """Of a call that handed nothing over: not reached, or reached and left in the middle."""
    if code is not None and code.startswith("tls_"):
        return "is reached, and no encryption comes about with it"
    if (left := left_at(code)) is None:
        return "cannot be reached"
    ending, stage = left
    at = "before its greeting" if stage == "connect" else f"at {stage.upper()}"
    return f"is reached, and {_ENDS[ending]} {at}; nothing had been handed over"


def _with_part(
    found: Verdict, incident: Any, facts: Mapping[str, Any], title: str | None
) -> Verdict:
    apart = part_of(incident, facts)
    if apart is None:
        return found
    return replace(
        found,
        whose=f"Mostly {found.whose.lower()}, partly {apart.whose}"
        if 2 * apart.messages < apart.of
        else "Ours and theirs",
        partly=f"{apart.messages} of the {apart.of} messages that failed since it began are"
        f" {apart.whose}{f': {title}' if title else ''}, the last at {apart.last_at:%H:%M:%S} UTC",
    )


def our_own_calls(incident: Any, facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """How many of our tries failed, of how many since it began, while it is the provider's and not
    over: they outweigh what its status page says, and what it answers to a harmless question."""
    tries = facts["tries"]
    over = incident["recovered_at"] is not None or incident["status"] == "resolved"
    if incident["fault"] != "theirs" or over or not tries["bad"]:
        return None
    return tries["bad"], tries["bad"] + tries["good"]


def shows_way_out(incident: Any, provider: str, way_out: WayOut | None) -> bool:
    """Whether this incident is one of several that have one cause, and that one ours."""
    over = incident["recovered_at"] is not None or incident["status"] == "resolved"
    return way_out is not None and not over and provider in way_out.providers


def not_the_network(latest: Any | None, provider: str) -> str | None:
    """Of an answer that came, whatever it was worth: words about time-outs do not hold."""
    if latest is None or latest["evidence_kind"] != "malformed":
        return None
    return (
        f"Here {provider} did answer, in time, with what cannot be read: it is no slow network, and"
        " other integrations need no asking."
    )


def evidence_of(attempt: Any) -> str:
    """One phrase without anything private: `403 invalid_api_key`, `timeout`."""
    if attempt["evidence_kind"] is None:
        return "none"
    return Evidence(attempt["evidence_kind"], http=attempt["http"], code=attempt["code"]).summary()


def _elsewhere(facts: Mapping[str, Any], provider: str) -> str | None:
    """Says nothing once it is over and nobody else was answered meanwhile: perhaps nobody asked."""
    elsewhere, latest = facts["elsewhere"], facts["latest"]
    if elsewhere is None or not elsewhere["others"]:
        return None
    over = latest is not None and latest["good_after_at"] is not None
    if elsewhere["answered"]:
        began = f"{provider} answered" if over else f"{provider} answers"
        return f"{began} other credentials well since this began: more likely ours"
    if over:
        return None
    if not elsewhere["asked"]:
        return f"No other credential has asked {provider} since this began; see what it answers now"
    return f"No other credential got a good answer from {provider} since this began"
