"""What bringing a credential's former secret back would do, in sentences for whoever presses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mentalspace.engine.former import KEPT_DAYS, Differs, Former
from mentalspace.engine.remedy import Standing
from mentalspace.practice.tenancy import SETTINGS
from mentalspace.workflows.doctor.report import RoomFinding

# What it has paused goes on with another secret; what a person has paused does not.
_THE_RUNBOOK = ("runbook", "the runbook")


def what_it_would_do(
    row: Any,
    former: Former,
    standing: Standing,
    provider: str,
    changed: Differs,
    found: RoomFinding,
    *,
    goes: bool,
) -> tuple[str, ...]:
    """The answer first. `changed` is what it changes of what is in use, and `goes` whether what
    waits may leave by that. `row` is the credential."""
    well = "answers it well" if found.state == "good" else "does not answer it well"
    return (
        f"{provider} was asked with it just now, and {well}: {found.text}.",
        f"It was entered {_at(former.entered_at)} by {former.entered_by or 'somebody'}, and"
        f" replaced {_at(former.replaced_at)} by {row['entered_by'] or 'somebody'}. "
        + ("" if former.went_well else "Nothing was taken while it was in use. ")
        + (f"It changes {changed.words}." if changed else "It is the same as what is in use."),
        *(_leaves(standing, provider) if goes else (_signs(provider),)),
        *_mode(row, former),
        f"What is in use now is kept in its place for {KEPT_DAYS} days, and can be brought back"
        " the same way.",
        *_settings(row),
    )


def _leaves(s: Standing, provider: str) -> list[str]:
    """How many wait, and which of them go."""
    if not s.waiting:
        said = [f"Nothing that may leave waits now; whatever falls due goes to {provider} by it."]
    else:
        people = "1 person" if s.people == 1 else f"{s.people:,} people"
        held = _held_back(s)
        where = held or f"would leave by it at once, at most {s.rate_per_s:g} requests a second"
        said = [f"{_count(s.waiting)} to {people} {where}."]
    if s.resting:
        said.append(f"{_count(s.resting)} may not leave before the morning, and would then.")
    if s.useless:
        said.append(f"{_count(s.useless)} would expire: their time has passed.")
    if s.moved:
        said.append("What has gone over to another provider stays there.")
    return said


def _held_back(s: Standing) -> str | None:
    """By what a person set: it is for a person to undo."""
    if s.paused and not s.running and s.paused_by not in _THE_RUNBOOK:
        return f"would wait on: {s.paused_by} has paused the lanes, and they are to be resumed"
    if s.override_state == "open":
        until = _at(s.override_until)
        return f"would wait on: {s.override_by} holds the breaker open until {until}"
    return None


def _signs(provider: str) -> str:
    return (
        f"What differs only signs callbacks, of which {provider}’s answer says nothing: they are"
        " compared with it from then on, and the lanes stay as they are."
    )


def _mode(row: Any, former: Former) -> tuple[str, ...]:
    """Whom it reaches is told where that changes."""
    if former.base_url == row["base_url"] or former.test_only == row["test_only"]:
        return ()
    if former.test_only:
        return ("It was in test mode, and would be: only test recipients are reached by it.",)
    return ("What is in use is in test mode, and this was not: everybody is reached by it.",)


def _settings(row: Any) -> tuple[str, ...]:
    if row["entered_by"] != SETTINGS:
        return ()
    return (
        "What is in use now came from the settings of a host: put them right too, or the next start"
        " enters it again.",
    )


def _count(number: int) -> str:
    return f"{number:,} message{'' if number == 1 else 's'}"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "later"
