"""How a long-lived process sets up its own interpreter."""

from __future__ import annotations

import gc
from collections.abc import MutableMapping


def keep_what_is_there() -> None:
    """Once a process has started, what it has loaded stays. The collector need not look at it again
    and again: each full look took ninety milliseconds, in which nobody was answered."""
    gc.collect()
    gc.freeze()


def keep_loopback_direct(environment: MutableMapping[str, str]) -> None:
    """Pages to this machine stay on it: the library that sends them obeys proxy variables."""
    both = ("no_proxy", "NO_PROXY")
    known = filter(None, (environment.get(name) for name in both))
    hosts = ",".join(dict.fromkeys([*known, "127.0.0.1", "localhost", "::1"]))
    environment.update(dict.fromkeys(both, hosts))
