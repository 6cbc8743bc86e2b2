"""What a drill promised beside what was seen, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

# Which of the things seen answers an expectation.
_ANSWERED_BY: Mapping[str, str] = {
    "requests_min": "requests",
    "requests_max": "requests",
    "case": "cases",
    "never": "cases",
    "status": "statuses",
    "alert": "alerts",
}
_WORDS: Mapping[str, str] = {
    "refused_locally": "Refused by our own check",
    "requests_min": "Requests, at least",
    "requests_max": "Requests, at most",
    "accepted": "Messages accepted",
    "case": "Recognised as",
    "never": "Never recognised as",
    "status": "Every message is",
    "lane": "Lane",
    "steps": "Steps run",
    "alert": "Alert raised",
    "whose": "Whose it is told as",
    "logged": "Every failed try is logged",
}
_STAGES: Mapping[str, str] = {"then": "While broken", "recovered": "After recovery"}


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing a run looked at. `met` is None while nothing has been seen."""

    stage: str
    name: str
    expected: str
    observed: str
    met: bool | None


def compare(expected: Mapping[str, Any], observed: Mapping[str, Any]) -> list[Expectation]:
    """In both halves of a run."""
    missing = observed.get("missing") or []
    return [
        Expectation(
            title,
            _WORDS.get(name, plain(name)),
            _text(value),
            _seen(name, observed.get(stage, {})),
            _met(stage, name, observed, missing),
        )
        for stage, title in _STAGES.items()
        for name, value in (expected.get(stage) or {}).items()
    ]


def in_order(
    steps: Sequence[str], expected: Mapping[str, Any], observed: Mapping[str, Any]
) -> list[Expectation]:
    """The same for a rehearsal, whose steps follow one another."""
    place = {plain(step): f"Step {number}" for number, step in enumerate(steps, 1)}
    shown = [
        replace(each, stage=place.get(each.name, "Once")) for each in compare(expected, observed)
    ]
    return sorted(
        shown, key=lambda each: list(place).index(each.name) if each.name in place else -1
    )


def plain(code: str) -> str:
    return code.replace("_", " ").replace(".", " ").strip().capitalize()


def _seen(name: str, observed: Mapping[str, Any]) -> str:
    if name == "logged" and "logged" in observed:
        return f"{observed['logged']} of {observed.get('failed_attempts', 0)}"
    return _text(observed.get(_ANSWERED_BY.get(name, name)))


def _met(stage: str, name: str, observed: Mapping[str, Any], missing: list[str]) -> bool | None:
    """The run's own judgement: it lists what did not hold, `steps` one by one."""
    if stage not in observed:
        return None
    before = "recovered: " if stage == "recovered" else ""
    word = {"steps": "step"}.get(name, name)
    return not any(miss == before + word or miss.startswith(f"{before}{word} ") for miss in missing)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "none"
    return str(value)
