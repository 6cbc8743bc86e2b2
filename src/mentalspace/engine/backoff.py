"""How long to wait before the next try."""

from __future__ import annotations

from random import Random

BASE_S = 2.0
CAP_S = 3600.0
MOST_ATTEMPTS = 12


def backoff_s(attempts: int, random: Random, *, floor_s: float | None = None) -> float:
    """Full jitter: evenly between nothing and the doubling bound, never under the floor.

    `attempts` are those already made. A provider's Retry-After is a floor, to which the jitter
    is added, so that a thousand waiting clients do not return in the same second.
    source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
    """
    jitter = random.uniform(0, min(CAP_S, BASE_S * 2 ** min(attempts, 20)))
    if floor_s is None:
        return jitter
    return floor_s + min(jitter, floor_s)
