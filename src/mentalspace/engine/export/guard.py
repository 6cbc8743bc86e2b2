"""The guard against chance as PromQL: the fewest bad ones of `n` that chance does not explain."""

from __future__ import annotations

from functools import cache
from math import ceil, sqrt

from mentalspace.engine.chance import is_unlikely

# So many steps are written out exactly; for more bad ones than that, the normal distribution with a
# little on top, which never asks for fewer than the exact sum does.
STEPS = 16
_SIGMAS = 3.0902
_ON_TOP = 4


@cache
def k_min(n: int, healthy: float) -> int:
    """Exactly, as our own evaluator judges: so many of `n` or more are beyond chance."""
    k = max(1, int(n * healthy))
    while k <= n and not is_unlikely(k, n, healthy):
        k += 1
    return k


@cache
def steps(healthy: float) -> tuple[int, ...]:
    """After which `n` one more bad one is asked for: `n` above the first entry needs one more than
    one, above the second two more, and so on."""
    return tuple(_most_n(k, healthy) for k in range(1, STEPS + 1))


def approximate(n: int, healthy: float) -> int:
    """What the expression comes to."""
    table = steps(healthy)
    if n <= table[-1]:
        return 1 + sum(n > step for step in table)
    return ceil(n * healthy + _SIGMAS * sqrt(n * healthy * (1 - healthy)) + _ON_TOP)


def expression(n: str, healthy: float) -> str:
    """PromQL for the fewest of the vector `n`; steps that fall together are one."""
    table = steps(healthy)
    last = table[-1]
    parts = [f"{_times(table.count(step))}({n} > bool {step})" for step in dict.fromkeys(table)]
    exact = "1\n  + " + "\n  + ".join(parts)
    spread = f"{_SIGMAS:g} * sqrt({healthy * (1 - healthy):.12g} * {n})"
    normal = f"ceil({healthy:.12g} * {n} + {spread} + {_ON_TOP})"
    return f"(\n  {exact}\n) * ({n} <= bool {last})\n+ {normal} * ({n} > bool {last})"


def _times(count: int) -> str:
    return f"{count} * " if count > 1 else ""


def _most_n(k: int, healthy: float) -> int:
    """The largest `n` of which `k` bad ones are still beyond chance; by halving, as the chance of
    so many only grows with `n`."""
    low, high = k - 1, 2 * k
    if not is_unlikely(k, k, healthy):
        return low
    while is_unlikely(k, high, healthy):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_unlikely(k, middle, healthy) else (low, middle)
    return low
