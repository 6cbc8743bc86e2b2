"""Whether so many out of so few can be chance: what keeps one bounce of three from paging."""

from __future__ import annotations

from math import exp, lgamma, log

# One false alarm in a thousand looks, if everything is as healthy as its target.
ALPHA = 0.001


def is_unlikely(hits: int, n: int, healthy: float, alpha: float = ALPHA) -> bool:
    """Whether `hits` or more of `n` come about with less than `alpha`, each at `healthy`."""
    return tail(hits, n, healthy) < alpha


def tail(hits: int, n: int, p: float) -> float:
    """P(X ≥ hits) for X binomial over `n` tries of probability `p`, 0 < p < 1."""
    if hits <= 0:
        return 1.0
    if hits > n:
        return 0.0
    if hits <= n * p:
        return 1.0 - _sum(n - hits + 1, n, 1.0 - p)
    return _sum(hits, n, p)


def _sum(hits: int, n: int, p: float) -> float:
    """The upper tail, from above the mean, where each term is smaller than the one before."""
    odds = p / (1.0 - p)
    term = exp(
        lgamma(n + 1)
        - lgamma(hits + 1)
        - lgamma(n - hits + 1)
        + hits * log(p)
        + (n - hits) * log(1.0 - p)
    )
    total = term
    for k in range(hits, n):
        term *= (n - k) / (k + 1) * odds
        total += term
        if term < total * 1e-15:
            break
    return min(1.0, total)
