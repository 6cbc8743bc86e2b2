"""A keyword by text: what it changes in the ledger, and the one answer it gets.

Each runs in the inbox's transaction. Where the provider has answered already we say nothing.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.inbox import Heard
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.secrets import Vault
from mentalspace.engine.suppression import How
from mentalspace.integrations.sms.render import KeywordKind, keyword_text
from mentalspace.practice.consent import Source, Speaker, opt_in, opt_out, write
from mentalspace.practice.saying.facts import Language, Letterhead

STOPPED: KeywordKind = "opt_out_confirmation"
RESUMED: KeywordKind = "opt_in_confirmation"
HELP: KeywordKind = "help"

# A confirmation later than this is a text to somebody who wants none.
# source: https://www.ecfr.gov/current/title-47/section-64.1200 (a)(12)
_USEFUL = {
    STOPPED: timedelta(minutes=5),
    RESUMED: timedelta(hours=1),
    HELP: timedelta(hours=1),
}
# What answers by itself at the other end must not be answered for ever.
_HELP_AGAIN = timedelta(hours=1)

_LETTERHEAD = "select name, phone, app.now() as now from practice where id = $1"
_HELPED = """
select exists (select from delivery
 where practice_id = $1 and recipient_key = $2 and kind = $3 and drill is not distinct from $4
   and created_at > app.now() - $5::interval)
"""


async def hear_stop(
    connection: Connection,
    vault: Vault,
    heard: Heard,
    *,
    client_id: UUID | None,
    language: Language,
    how: How = "keyword",
) -> bool:
    """No more texts to this number. What is queued for it is refused at once; one text says so,
    unless the provider's did. False if that stood already, and then nothing is said."""
    source = Source(how, "client", heard.message.provider_message_id)
    made = await opt_out(connection, vault, _speaker(vault, heard, client_id), source)
    if made is not None:
        await _answer(connection, vault, heard, STOPPED, client_id, language)
    return made is not None


async def hear_start(
    connection: Connection,
    vault: Vault,
    heard: Heard,
    *,
    client_id: UUID | None,
    language: Language,
) -> bool:
    """Texts again; one says so. False if nothing kept us from it: then YES may be the answer to
    something else."""
    source = Source("keyword", "client", heard.message.provider_message_id)
    lifted = await opt_in(connection, vault, _speaker(vault, heard, client_id), source)
    if lifted:
        await _answer(connection, vault, heard, RESUMED, client_id, language)
    return lifted


async def hear_help(
    connection: Connection,
    vault: Vault,
    heard: Heard,
    *,
    client_id: UUID | None,
    language: Language,
) -> None:
    """Say who writes and how to reach us, once an hour at most, whatever else holds."""
    speaker = _speaker(vault, heard, client_id)
    source = Source("keyword", "client", heard.message.provider_message_id)
    await write(connection, vault, speaker, "asked_help", source)
    helped = await connection.fetchval(
        _HELPED, heard.practice_id, speaker.recipient_key, HELP, heard.drill, _HELP_AGAIN
    )
    if not helped:
        await _answer(connection, vault, heard, HELP, client_id, language)


def _speaker(vault: Vault, heard: Heard, client_id: UUID | None) -> Speaker:
    key = vault.recipient_key(heard.practice_id, heard.message.sender.reveal())
    return Speaker(heard.practice_id, "sms", key, client_id, heard.drill)


async def _answer(
    connection: Connection,
    vault: Vault,
    heard: Heard,
    kind: KeywordKind,
    client_id: UUID | None,
    language: Language,
) -> None:
    """To the number it came from, by the credential it came to."""
    if heard.message.opt_out is not None:
        return
    practice = await connection.fetchrow(_LETTERHEAD, heard.practice_id)
    assert practice is not None
    to = heard.message.sender
    head = Letterhead(practice["name"], practice["phone"], language)
    text = keyword_text(kind, head, to.reveal(), int(_USEFUL[kind].total_seconds()))
    new = NewDelivery(
        practice_id=heard.practice_id,
        integration="sms",
        lane_class="interactive",
        kind=kind,
        idempotency_key=f"sms/{kind}/{heard.credential_id}/{heard.message.provider_message_id}",
        payload=text.to_bytes(),
        recipient=to,
        expires_at=practice["now"] + _USEFUL[kind],
        client_id=client_id,
        credential_id=heard.credential_id,
        drill=heard.drill,
        despite_suppression=True,
    )
    await enqueue(connection, vault, new)
