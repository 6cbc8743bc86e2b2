"""One breaker per credential: it opens on the provider's faults, and opens nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.process import DEAD_AFTER_S

CONSECUTIVE = 5
WINDOW = 10
SHARE = 0.5
FIRST_OPEN_S = 30.0
LONGEST_OPEN_S = 900.0
PROBE_LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class Passage:
    """Whether a lane may send now; `probe` means one delivery, whose outcome decides."""

    allowed: bool
    probe: bool = False
    wait_s: float = 0.0


# A good call among good calls says nothing new; the row is the credential's busiest.
_SETTLED = """
select exists (select from credential_state where credential_id = $1 and breaker = 'closed'
   and recent = repeat('S', $2) and (last_good_at > app.now() - interval '1 s' or $3))
"""
_LOOK = """
select breaker, override_state, override_until > app.now() as overridden,
       extract(epoch from open_until - clock_timestamp())::float8 as open_for,
       coalesce(probe_until > clock_timestamp(), false)
         and exists (select from heartbeat h where h.process = probe_by
                        and h.beat_at > clock_timestamp() - $2 * interval '1 s') as probing
  from credential_state where credential_id = $1
"""


async def ask_passage(connection: Connection, credential_id: UUID, worker: str) -> Passage:
    """Look at the breaker, and lease the one half-open probe if it is time for it."""
    # Locked only for the lease: a closed breaker must not let one claim wait for another.
    for query in (_LOOK, f"{_LOOK} for update"):
        row = await connection.fetchrow(query, credential_id, DEAD_AFTER_S)
        if row is None:
            return Passage(False, wait_s=PROBE_LEASE_S)
        if row["overridden"]:
            return Passage(row["override_state"] == "closed", wait_s=FIRST_OPEN_S)
        if row["breaker"] == "closed":
            return Passage(True)
    if row["open_for"] is not None and row["open_for"] > 0:
        return Passage(False, wait_s=row["open_for"])
    if row["probing"]:
        return Passage(False, wait_s=1.0)
    await connection.execute(
        "update credential_state set breaker = 'half_open', probe_by = $2,"
        " probe_until = clock_timestamp() + $3 * interval '1 s' where credential_id = $1",
        credential_id,
        worker,
        PROBE_LEASE_S,
    )
    return Passage(True, probe=True)


async def return_probe(connection: Connection, credential_id: UUID, worker: str) -> None:
    """Whoever leased the probe is done with it. Had it said anything of the provider, it would be
    gone by now; what was refused before it left must not keep the next one waiting."""
    await connection.execute(
        "update credential_state set probe_by = null, probe_until = null"
        " where credential_id = $1 and probe_by = $2 and breaker = 'half_open'",
        credential_id,
        worker,
    )


def should_open(recent: str) -> bool:
    """`recent` is up to the last ten outcomes, newest last, S or F.

    Five failures in a row, or half of a full window.
    """
    if recent.endswith("F" * CONSECUTIVE):
        return True
    return len(recent) == WINDOW and recent.count("F") / WINDOW >= SHARE


async def note_outcome(
    connection: Connection, credential_id: UUID, *, good: bool, answered: bool = False
) -> str | None:
    """Record one outcome that says something of the provider.

    Returns 'opened' or 'closed' when the breaker moved, else None. A failure of our own or the
    recipient's making is `answered`: it proves the provider up, but is no good call.
    """
    if good and await connection.fetchval(_SETTLED, credential_id, WINDOW, answered):
        return None
    row = await connection.fetchrow(
        "select breaker, recent, open_for_s from credential_state"
        " where credential_id = $1 for update",
        credential_id,
    )
    if row is None:
        return None
    recent = (row["recent"] + ("S" if good else "F"))[-WINDOW:]
    if good:
        await connection.execute(
            "update credential_state set breaker = 'closed',"
            " last_good_at = case when $3 then last_good_at else app.now() end,"
            " recent = $2, open_until = null, open_for_s = null, probe_by = null,"
            " probe_until = null, opened_at = null where credential_id = $1",
            credential_id,
            "S" if row["breaker"] != "closed" else recent,
            answered,
        )
        return "closed" if row["breaker"] != "closed" else None
    # While it is open, only the probe says something new: what was already under way fails
    # too, and must not be taken for a probe that did.
    if row["breaker"] == "open" or (row["breaker"] == "closed" and not should_open(recent)):
        await connection.execute(
            "update credential_state set recent = $2 where credential_id = $1",
            credential_id,
            recent,
        )
        return None
    open_for_s = min(LONGEST_OPEN_S, (row["open_for_s"] or FIRST_OPEN_S / 2) * 2)
    await connection.execute(
        "update credential_state set breaker = 'open', recent = $2, open_for_s = $3,"
        " opened_at = coalesce(opened_at, app.now()), probe_by = null, probe_until = null,"
        " open_until = clock_timestamp() + $3 * interval '1 s' where credential_id = $1",
        credential_id,
        recent,
        open_for_s,
    )
    return "opened" if row["breaker"] == "closed" else None
