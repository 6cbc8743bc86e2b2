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


def share_tail(hits: int, drawn: int, marked: int, n: int) -> float:
    """P(X ≥ hits) among `drawn` of `n`, of which `marked` are of a kind, if only chance draws them:
    Fisher's exact test, one-sided."""
    least, most = max(0, drawn + marked - n), min(drawn, marked)
    if hits <= least:
        return 1.0
    if hits > most:
        return 0.0
    if hits * n <= drawn * marked:
        return 1.0 - _share_sum(drawn - hits + 1, drawn, n - marked, n)
    return _share_sum(hits, drawn, marked, n)


def _share_sum(hits: int, drawn: int, marked: int, n: int) -> float:
    """The upper tail, from above the mean, where each term is smaller than the one before."""
    left = n - marked - drawn
    term = exp(_ways(marked, hits) + _ways(n - marked, drawn - hits) - _ways(n, drawn))
    total = 0.0
    for k in range(hits, min(drawn, marked) + 1):
        total += term
        term *= (marked - k) * (drawn - k) / ((k + 1) * (left + k + 1))
    return min(1.0, total)


def _ways(n: int, k: int) -> float:
    """The logarithm of how many ways there are to choose `k` of `n`."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def _sum(hits: int, n: int, p: float) -> float:
    """The upper tail, from above the mean, where each term is smaller than the one before."""
    odds = p / (1.0 - p)
    term = exp(_ways(n, hits) + hits * log(p) + (n - hits) * log(1.0 - p))
    total = term
    for k in range(hits, n):
        term *= (n - k) / (k + 1) * odds
        total += term
        if term < total * 1e-15:
            break
    return min(1.0, total)
