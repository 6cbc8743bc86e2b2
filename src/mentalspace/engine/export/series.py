"""Series as Prometheus names and counts them, and what it watches of a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mentalspace.engine.runbook import RoomRunbook

# Series of a unit test by name, with their values in Prometheus's notation, `step_min` apart.
Series = Mapping[str, str]
TEST_AT_MIN, STEP_MIN = 40, 5


@dataclass(frozen=True, slots=True)
class Watch:
    """`records` are recorded under the rule's id, in order, and `alert` asks them; it must hold for
    `after_s`.

    `ill` must fire by `TEST_AT_MIN` and `well` must not; `labels` are what the alert then carries
    beside the rule's own. `remark` says where it differs from our own evaluator.
    """

    alert: str
    ill: Series
    well: Series
    remark: str
    records: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    step_min: int = STEP_MIN


def provider_of(room: RoomRunbook, case_ids: Sequence[str] = ()) -> str:
    """A provider that the cases may come from, else any of the room's."""
    named = [case for case in room.cases if case.id in case_ids and case.provider]
    return next(case.provider or "" for case in (*named, *room.cases) if case.provider)


def span(seconds: float) -> str:
    """As PromQL writes a length of time, in the largest unit that fits it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def selector(name: str, **labels: str) -> str:
    """A series by its labels; a value that begins with `~` is a pattern."""
    inner = ",".join(
        f'{key}=~"{value[1:]}"' if value.startswith("~") else f'{key}="{value}"'
        for key, value in labels.items()
    )
    return f"mentalspace_{name}{{{inner}}}"


def any_of(names: Sequence[str]) -> str:
    return "~" + "|".join(name.replace(".", "\\\\.") for name in names)


def by_provider(series: str) -> str:
    """Every API answers for the whole installation: the highest of them, then summed."""
    return f"sum by (integration, provider) (max without (instance, pod) ({series}))"


def increase(name: str, window_s: float, **labels: str) -> str:
    return by_provider(f"increase({selector(name, **labels)}[{span(window_s)}])")
