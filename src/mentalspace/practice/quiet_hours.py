"""When a client may be texted: by their own clock, and by the law of where their number is from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from mentalspace.engine.hours import Hours, Window

_SUNDAY = 6
# A practice that has said no zone of its own says nothing of where its clients are.
_NOWHERE = frozenset({"UTC", "Etc/UTC"})


@dataclass(frozen=True, slots=True)
class Rule:
    """`state` is empty for the rule of all states; `source` says where it is written."""

    state: str
    since: date
    week: tuple[Window, ...]
    area_codes: frozenset[str]
    source: str


def quiet_hours(
    number: str,
    on: date,
    *,
    client_zone: str | None,
    practice_zone: str,
    number_zones: Sequence[str] = (),
) -> Hours:
    """The hours in which a text may leave for `number`, in E.164, by the rules of that day.

    The clock is the client's; else the practice's; else, where that is none, all of those that
    the number's area keeps.
    """
    zones: tuple[str, ...] = (client_zone or practice_zone,)
    if client_zone is None and practice_zone in _NOWHERE and number_zones:
        zones = tuple(number_zones)
    return Hours(zones, rule_of(number, on).week)


def rule_of(number: str, on: date) -> Rule:
    """The state's own rule, once it is in force; else the rule of all."""
    area = number[2:5] if number.startswith("+1") else ""
    rules = rules_of_states()
    for rule in rules:
        if area in rule.area_codes and rule.since <= on:
            return rule
    return next(rule for rule in rules if not rule.state)


@cache
def rules_of_states() -> tuple[Rule, ...]:
    text = files("mentalspace.practice").joinpath("quiet_hours.toml").read_text()
    return tuple(map(_rule, tomllib.loads(text)["rule"]))


def _rule(values: Mapping[str, Any]) -> Rule:
    week = [_window(values["week"])] * 7
    if "sunday" in values:
        week[_SUNDAY] = _window(values["sunday"])
    return Rule(
        state=values["state"],
        since=values["since"],
        week=tuple(week),
        area_codes=frozenset(map(str, values.get("area_codes", ()))),
        source=values["source"],
    )


def _window(hours: Sequence[int]) -> Window:
    return (hours[0] * 60, hours[1] * 60) if hours else None
