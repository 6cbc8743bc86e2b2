"""A provider's own rate limit: so many requests in a window that the first of them opens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance:
    """How the request fared. `reset_s` is whole seconds until the window ends, at least 1."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int


class RateWindows:
    """One window per account; in memory only, for a second's count need not outlive a crash."""

    def __init__(
        self, window_s: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s = window_s
        self._monotonic = monotonic
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, account: str, limit: int, consumed: int = 0) -> Allowance:
        """Count one request. `consumed` is what others take of every window beforehand."""
        now = self._monotonic()
        opened, used = self._windows.get(account, (-math.inf, 0))
        if now - opened >= self._window_s:
            opened, used = now, consumed
        allowed = used < limit
        if allowed:
            used += 1
        self._windows[account] = (opened, used)
        reset_s = max(1, math.ceil(opened + self._window_s - now))
        return Allowance(allowed, limit, max(0, limit - used), reset_s)
