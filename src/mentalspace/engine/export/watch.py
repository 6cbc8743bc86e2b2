"""What Prometheus sees of a rule: its expression, and series under which it fires or must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from mentalspace.engine.export.series import (
    Watch,
    any_of,
    by_provider,
    provider_of,
    selector,
)
from mentalspace.engine.export.watch_burn import watch_burn
from mentalspace.engine.export.watch_rate import watch_rate
from mentalspace.engine.runbook import AlertKind, AlertRule, RoomRunbook


def watch(room: RoomRunbook, rule: AlertRule) -> Watch:
    """Every rule has one: what Prometheus cannot count itself it takes from our evaluator."""
    return _KINDS[rule.kind](room, rule)


def _case(room: RoomRunbook, rule: AlertRule) -> Watch:
    threshold = 1 if rule.threshold is None else rule.threshold
    provider = provider_of(room, rule.cases)
    cases = any_of(rule.cases)
    series = selector(
        "failing_deliveries", integration=room.room, provider=provider, case=rule.cases[0]
    )
    return Watch(
        alert=f"{by_provider(selector('failing_deliveries', integration=room.room, case=cases))}"
        f" >= {threshold:g}",
        ill={series: f"0x2 {threshold:g}x6"},
        well={series: f"{threshold - 1:g}x9"},
        remark="Messages that met one of the cases since the last success, of the worst"
        " credential.",
        labels={"provider": provider},
    )


def _paused(room: RoomRunbook, rule: AlertRule) -> Watch:
    waiting = 1 if rule.threshold is None else rule.threshold
    provider, cases = provider_of(room, rule.cases), any_of(rule.cases)
    name, least = ("paused_deliveries", waiting) if waiting else ("lanes_paused", 1)
    series = selector(name, integration=room.room, provider=provider, case=rule.cases[0])
    return Watch(
        alert=f"{by_provider(selector(name, integration=room.room, case=cases))} >= {least:g}",
        ill={series: f"0x2 {least:g}x6"},
        well={series: f"{least - 1:g}x9"},
        remark="What is due in a lane that stands still."
        if waiting
        else "A lane that stands still is enough, with nothing in it.",
        labels={"provider": provider},
    )


def _consecutive(room: RoomRunbook, rule: AlertRule) -> Watch:
    threshold = 1 if rule.threshold is None else rule.threshold
    provider = provider_of(room)
    series = selector("failing_streak", integration=room.room, provider=provider)
    counted = selector("failing_streak", integration=room.room)
    return Watch(
        alert=f"max by (integration, provider) ({counted}) >= {threshold:g}",
        ill={series: f"0x2 {threshold:g}x6"},
        well={series: f"{threshold - 1:g}x9"},
        remark="People whose messages failed one after another, of the worst credential. It counts"
        " people\nonly; our own evaluator asks for as many messages as well.",
        labels={"provider": provider},
    )


def _queue_age(room: RoomRunbook, rule: AlertRule) -> Watch:
    return _longest(
        room,
        "queue_oldest_seconds",
        1800.0 if rule.threshold is None else rule.threshold,
        rule.pending_s,
        "What waits for its next try counts here since that was due; our own evaluator leaves to"
        " other rules\nwhat was tried before.",
        {"class": "interactive"},
    )


def _breaker(room: RoomRunbook, rule: AlertRule) -> Watch:
    return _longest(
        room,
        "breaker_open_seconds",
        600.0 if rule.threshold is None else rule.threshold,
        rule.pending_s,
        "The breaker that has been open for longest, of any credential.",
        {},
    )


def _longest(
    room: RoomRunbook,
    name: str,
    longest_s: float,
    after_s: float,
    remark: str,
    labels: Mapping[str, str],
) -> Watch:
    """A length of time that our own gauge tells, of the worst of them."""
    provider = provider_of(room)
    series = selector(name, integration=room.room, provider=provider, **labels)
    asked = selector(name, integration=room.room)
    return Watch(
        alert=f"max by (integration, provider) ({asked}) >= {longest_s:g}",
        ill={series: f"0x2 {longest_s:g}x6"},
        well={series: f"{longest_s - 1:g}x9"},
        remark=remark,
        labels={"provider": provider},
        after_s=after_s,
    )


def _as_judged(_room: RoomRunbook, rule: AlertRule) -> Watch:
    """Opening hours, what is usual on such a day, who is called back: the ledger alone knows."""
    judged = selector("rule_states", rule=rule.id, state="alerting")
    return Watch(
        alert=f"max by (rule) ({judged}) > 0",
        ill={judged: "0x2 1x6"},
        well={judged: "0x9"},
        remark="Taken over from our own evaluator, for Prometheus has not what it judges by. If the"
        " evaluator\nstands still, HouseEvaluateStalled fires and this says nothing.",
    )


Kind: TypeAlias = Callable[[RoomRunbook, AlertRule], Watch]

_KINDS: Mapping[AlertKind, Kind] = MappingProxyType(
    {
        AlertKind.CASE: _case,
        AlertKind.PAUSED: _paused,
        AlertKind.CONSECUTIVE: _consecutive,
        AlertKind.RATE: watch_rate,
        AlertKind.BURN: watch_burn,
        AlertKind.QUEUE_AGE: _queue_age,
        AlertKind.BREAKER: _breaker,
        AlertKind.ABSENCE: _as_judged,
        AlertKind.COST: _as_judged,
        AlertKind.CALLBACKS: _as_judged,
        AlertKind.LOST_CALLBACKS: _as_judged,
        AlertKind.REFUSED: _as_judged,
        AlertKind.UNDELIVERED: _as_judged,
        AlertKind.GAUGE: _as_judged,
    }
)
