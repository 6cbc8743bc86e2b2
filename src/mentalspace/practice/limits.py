"""So many times in so long, counted in the database for all processes together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network

from mentalspace.engine.db import Connection, Database
from mentalspace.engine.secrets import Vault


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many of `what` for each key within the span."""

    what: str
    most: int
    within: timedelta


# Two at once cannot both be the last one allowed: they queue for the key.
_LOCK = "select pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 0))"
_SPENT = """
select count(*) >= $2 from attempt_limit
 where key_hash = $1 and at > clock_timestamp() - $3::interval
"""
_COUNT = """
insert into attempt_limit (key_hash, forget_at) values ($1, clock_timestamp() + $2::interval)
"""


async def allows(
    database: Database, vault: Vault, key: str, limits: Sequence[Limit] | Limit
) -> bool:
    """Whether one more may be tried under all of the limits; if so, it is counted."""
    limits = [limits] if isinstance(limits, Limit) else limits
    async with database.as_door() as connection:
        return await spend(connection, vault, [(limit, key) for limit in limits])


async def spend(connection: Connection, vault: Vault, tries: Sequence[tuple[Limit, str]]) -> bool:
    """The same for several keys, in the caller's transaction: counted under all or under none."""
    keyed = [(vault.tag(f"limit|{limit.what}", key.encode()), limit) for limit, key in tries]
    longest: dict[bytes, timedelta] = {}
    for key, limit in keyed:
        longest[key] = max(longest.get(key, timedelta()), limit.within)
    for key in sorted(longest):
        await connection.execute(_LOCK, key)
    for key, limit in keyed:
        if await connection.fetchval(_SPENT, key, limit.most, limit.within):
            return False
    for key, within in longest.items():
        await connection.execute(_COUNT, key, within)
    return True


def network_of(address: str) -> str:
    """Whose address it is, as one: of IPv6 a household has a whole /64."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ip_network(f"{known}/64", strict=False))
