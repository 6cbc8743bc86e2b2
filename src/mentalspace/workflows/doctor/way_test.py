"""Where the way out stops: each silent provider tried step by step, beside who answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from mentalspace.engine.db import Connection
from mentalspace.engine.reach import Reach, Step, reach, reaches_itself
from mentalspace.kernel.integration import Integration

# Of each provider one address, and of those that answer, or were not asked, so many.
_MOST_OTHERS = 3
_MAIL_PORTS = {"smtp": 587, "smtps": 465}
# Whoever was answered last comes first. A drill's address is broken on purpose.
_ADDRESSES = """
select distinct on (c.integration, c.provider) c.integration, c.provider, c.base_url, c.live
  from credential c left join credential_state s on s.credential_id = c.id
 where c.active and c.drill is null
 order by c.integration, c.provider, s.last_good_at desc nulls last, c.id
"""
_STOPS: Mapping[Step, str] = {
    "name": "names do not resolve",
    "connection": "no connection opens",
    "tls": "connections open, but TLS does not finish",
    "answer": "connections open, but nothing answers",
}
_ADVICE: Mapping[Step, str] = {
    "name": "Look at this host's DNS: its name servers, and whether they are reached",
    "connection": "Look at this host's network, its routes, and the firewall before them",
    "tls": "Look at who stands in between: a proxy that shows a certificate of its own, or this"
    " host's clock",
    "answer": "Look at what lets connections through and nothing over them: a proxy, or a firewall"
    " that reads along",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a provider is asked, by its title."""

    provider: str
    url: str
    live: bool


@dataclass(frozen=True, slots=True)
class WayTest:
    """`silent` are those that do not answer our calls, `others` whoever else is in use, each by the
    provider's title; `itself` whether this host opens a connection to itself."""

    at: datetime
    silent: Sequence[tuple[str, Reach]]
    others: Sequence[tuple[str, Reach]]
    itself: bool

    @property
    def words(self) -> str:
        """One sentence without its full stop: where it stops, and what the control says."""
        if not self.itself:
            return "this host opens no connection even to itself"
        return f"{self._where}{self._control}"

    @property
    def advice(self) -> str | None:
        """Where to look, if all of them stop at the same step."""
        stops = {found.stops for _provider, found in self.silent}
        stop = stops.pop() if len(stops) == 1 else None
        return None if stop is None else _ADVICE[stop]

    @property
    def _where(self) -> str:
        stops = {found.stops for _provider, found in self.silent}
        if stops == {None}:
            return "each of them is reached and answers now: it is over, or only some calls fail"
        if len(stops) == 1:
            [stop] = stops
            assert stop is not None
            return f"{_STOPS[stop]} ({_named(self.silent)})"
        return "; ".join(f"{provider}: {_alone(found)}" for provider, found in self.silent)

    @property
    def _control(self) -> str:
        reached = [provider for provider, found in self.others if found.stops is None]
        silent = [provider for provider, found in self.others if found.stops is not None]
        neither = f"; nor is it otherwise with {' and '.join(silent)}" if silent else ""
        if reached:
            are = "is" if len(reached) == 1 else "are"
            whole = (
                f"; {' and '.join(reached)} {are} reached from here: it is not the whole way out"
            )
            return f"{neither}{whole}"
        return neither or "; this host reaches itself"


def _named(found: Sequence[tuple[str, Reach]]) -> str:
    """`api.a.example: refused; api.b.example: refused`, and once where they are one host's."""
    return "; ".join(dict.fromkeys(f"{one.host}: {one.why}" for _provider, one in found))


def _alone(found: Reach) -> str:
    if found.stops is None:
        return "it answers now"
    return f"{_STOPS[found.stops]} ({found.host}: {found.why})"


async def read_targets(connection: Connection, rooms: Mapping[str, Integration]) -> list[Target]:
    """As on-call."""
    rows = await connection.fetch(_ADDRESSES)
    return [
        Target(
            rooms[row["integration"]].provider(row["provider"]).title,
            _address(row["base_url"]),
            row["live"],
        )
        for row in rows
        if row["integration"] in rooms
    ]


def _address(base_url: str) -> str:
    """What stands before a folder answers for its name without the stroke. A mail server's usual
    port is none of the web's."""
    url = urlsplit(base_url)
    usual = _MAIL_PORTS.get(url.scheme)
    place = f"{url.netloc}:{usual}" if usual and url.port is None else url.netloc
    return f"{url.scheme}://{place}{url.path.rstrip('/')}/"


async def try_way(targets: Sequence[Target], silent: Sequence[str], at: datetime) -> WayTest:
    """All at once, within three seconds. `silent` are providers by their titles."""
    asked = [one for one in targets if one.provider in silent]
    others = [one for one in targets if one.provider not in silent][:_MOST_OTHERS]
    itself, *found = await asyncio.gather(
        reaches_itself(), *(reach(one.url, live=one.live) for one in (*asked, *others))
    )
    named = [
        (one.provider, answer)
        for one, answer in zip((*asked, *others), found, strict=True)
        if isinstance(answer, Reach)
    ]
    return WayTest(at, named[: len(asked)], named[len(asked) :], itself is True)
