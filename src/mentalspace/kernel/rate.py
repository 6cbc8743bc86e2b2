"""How fast a provider lets itself be asked, by its own word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_WINDOW = re.compile(r"[0-9]{1,9}\s*;\s*w=([0-9]{1,6})\b", re.ASCII)


@dataclass(frozen=True, slots=True)
class RateLeft:
    """So many requests in a window of `window_s`, and what is left of the window that runs."""

    limit: int
    remaining: int
    window_s: float = 1.0


def rate_left(headers: Mapping[str, str]) -> RateLeft | None:
    """What `ratelimit-limit`, `-remaining` and `-policy` say; None unless they are readable.

    source: https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06
    """
    limit = _COUNT.fullmatch(headers.get("ratelimit-limit", "").strip())
    remaining = _COUNT.fullmatch(headers.get("ratelimit-remaining", "").strip())
    if limit is None or remaining is None or int(limit[0]) == 0:
        return None
    window = _WINDOW.match(headers.get("ratelimit-policy", "").strip())
    window_s = float(window[1]) if window and int(window[1]) else 1.0
    return RateLeft(int(limit[0]), int(remaining[0]), window_s)
