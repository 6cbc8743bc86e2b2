"""What Prometheus sees of a budget that burns: failed tries over a long and a short window."""

from __future__ import annotations

from functools import cache

from mentalspace.engine.chance import is_unlikely
from mentalspace.engine.export.series import Series, Watch, increase, provider_of, selector, span
from mentalspace.engine.export.watch_rate import healthy_of
from mentalspace.engine.runbook import AlertRule, BurnWindow, RoomRunbook

_TRIES = "attempts_total"
_OUR_FAULTS = "~ours|theirs"
# Beyond so many more, rounding changes nothing.
_ROOM = 60
_REMARK = (
    "Over tries, of all practices as one: one message's second failure counts again here, and one"
    " that\ngoes at its second try has failed once. Our own evaluator counts messages and asks for"
    " as many people."
)


def watch_burn(room: RoomRunbook, rule: AlertRule) -> Watch:
    metric = room.overview.metric(rule.metric)
    assert metric is not None, f"{rule.id} watches no metric; `runbook check` says so"
    healthy, provider = healthy_of(metric), provider_of(room)
    return Watch(
        records=_records(room.room, rule),
        alert="\nor ".join(f"({_pair(rule, window, healthy)})" for window in rule.windows),
        ill=_tries(room.room, provider, 9, 10),
        well=_tries(room.room, provider, *_not_fast_enough(rule, healthy)),
        remark=_REMARK,
        labels={"provider": provider},
        step_min=1,
    )


def _records(integration: str, rule: AlertRule) -> dict[str, str]:
    """What was tried and what failed in each window."""
    found = {}
    lengths = sorted({length for w in rule.windows for length in (w.long_s, w.short_s)})
    for length in lengths:
        where = {"integration": integration}
        bad = increase(_TRIES, length, **where, fault=_OUR_FAULTS)
        good = increase(_TRIES, length, **where, outcome="succeeded")
        # Where none failed yet there is no such series, which is none that failed.
        found[f"bad_{span(length)}"] = f"round({bad})"
        found[f"n_{span(length)}"] = f"round({bad} + {good})\nor round({bad})\nor round({good})"
    return found


def _pair(rule: AlertRule, window: BurnWindow, healthy: float) -> str:
    share = min(1.0, window.times * healthy)
    fast, least = f"{share:.12g}", max(fewest(share, healthy), rule.threshold or 1)
    long, short = span(window.long_s), span(window.short_s)
    bad = _at(rule, f"bad_{long}")
    return (
        f"{bad} / {_at(rule, f'n_{long}')} >= {fast}"
        f"\nand {_at(rule, f'bad_{short}')} / {_at(rule, f'n_{short}')} >= {fast}"
        f"\nand {bad} >= {least:g}"
    )


@cache
def fewest(share: float, healthy: float) -> int:
    """So many failed ones, or more, that are such a share are beyond chance: the share bounds what
    they are of, so that no guard needs to count that."""
    k = 1
    while not all(is_unlikely(n, int(n / share), healthy) for n in range(k, k + _ROOM)):
        k += 1
    return k


def _at(rule: AlertRule, name: str) -> str:
    return f'mentalspace:{name}{{rule="{rule.id}"}}'


def _tries(integration: str, provider: str, bad: int, n: int) -> Series:
    """Counters that grow by so many a minute, from the beginning on."""
    where = {"integration": integration, "provider": provider}
    failed = selector(_TRIES, **where, outcome="failed", fault="theirs", case="any")
    good = selector(_TRIES, **where, outcome="succeeded", fault="none", case="none")
    return {failed: f"0+{bad}x45", good: f"0+{n - bad}x45"}


def _not_fast_enough(rule: AlertRule, healthy: float) -> tuple[int, int]:
    """Many more than chance leaves, and still slower than the slowest pair of windows."""
    slowest = min(1.0, min(window.times for window in rule.windows) * healthy)
    return int(100 * slowest * 0.75), 100
