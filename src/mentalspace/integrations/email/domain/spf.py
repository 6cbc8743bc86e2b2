"""Reads an SPF record as a receiver does: how many there are, what they look up, how they end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mentalspace.kernel.checkup import DnsAnswer, LookUp

# source: https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4
MOST_LOOKUPS = 10
_LOOKS = frozenset({"include", "a", "mx", "ptr", "exists"})
_TERM = re.compile(r"(?P<qualifier>[+?~-]?)(?P<name>[a-z0-9]+)(?:[:/](?P<value>\S*))?", re.I)


@dataclass(frozen=True, slots=True)
class Spf:
    """`ends` is the qualifier of `all` (`-`, `~`, `?`, `+`), None if there is none.

    `missing` are included names without a policy: for a receiver the whole record is void then.
    """

    text: str
    includes: tuple[str, ...]
    ends: str | None
    lookups: int
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]


def policies(answer: DnsAnswer) -> list[str]:
    """The SPF policies among a name's texts; a receiver accepts exactly one."""
    return [v for v in answer.values if v.lower().split(" ")[0] == "v=spf1"]


async def read_spf(text: str, look_up: LookUp) -> Spf:
    """The policy with everything it includes."""
    includes, ends, unreadable = [], None, []
    for term in text.split()[1:]:
        found = _TERM.fullmatch(term)
        name = found["name"].lower() if found else ""
        if name == "all" and found:
            ends = found["qualifier"] or "+"
        elif name == "include" and found:
            includes.append((found["value"] or "").lower().rstrip("."))
        elif "=" not in term and name not in _LOOKS | {"ip4", "ip6"}:
            unreadable.append(term)
    missing: list[str] = []
    lookups = await _count(text, look_up, missing, set())
    return Spf(text, tuple(includes), ends, lookups, tuple(missing), tuple(unreadable))


async def _count(text: str, look_up: LookUp, missing: list[str], seen: set[str]) -> int:
    """Look-ups a receiver makes for the policy, those inside its includes counted too."""
    lookups = 0
    for term in text.split()[1:]:
        name, _, value = term.lstrip("+?~-").partition(":")
        target = ""
        if name.lower().startswith("redirect="):
            target = name.partition("=")[2]
        elif name.lower().partition("/")[0] in _LOOKS:
            target = value if name.lower() == "include" else ""
            lookups += not target
        if not target:
            continue
        lookups += 1
        target = target.lower().rstrip(".")
        if target in seen or lookups > MOST_LOOKUPS:
            continue
        seen.add(target)
        inner = policies(await look_up(target, "TXT"))
        if len(inner) != 1:
            missing.append(target)
            continue
        lookups += await _count(inner[0], look_up, missing, seen)
    return lookups
