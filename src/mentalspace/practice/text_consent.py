"""Whether a client may be texted: the last word in the consent ledger, theirs or their number's."""

from __future__ import annotations

from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.suppression import OPTED_OUT

# A wish follows the client to another number; that a number does not work stays with the number.
_WORD = """
select (select reason from suppression
         where practice_id = $1 and integration = 'sms' and recipient_key = $3
           and lifted_at is null and drill is null) as kept,
       (select what from consent_entry
         where practice_id = $1 and channel = 'sms' and drill is null
           and (client_id = $2 or recipient_key = $3)
           and (what in ('agreed', 'opted_in', 'opted_out') or what = 'lifted' and reason = $4)
         order by id desc limit 1) as said
"""


async def why_not_texted(
    connection: Connection, practice_id: UUID, client_id: UUID, recipient_key: str
) -> str | None:
    """A phrase without a name in it; None if nothing was said against it."""
    row = await connection.fetchrow(_WORD, practice_id, client_id, recipient_key, OPTED_OUT)
    assert row is not None
    if OPTED_OUT in (row["kept"], row["said"]):
        return "the client wants no texts"
    return None if row["kept"] is None else "texts to this number are stopped"
