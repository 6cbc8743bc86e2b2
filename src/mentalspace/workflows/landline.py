"""What the carrier said of a number holds for whoever has it, until a text comes from it.

The first is the step `mark_landline`.
"""

from __future__ import annotations

from mentalspace.engine.db import Connection
from mentalspace.engine.inbox import Heard
from mentalspace.engine.ledger import record
from mentalspace.engine.secrets import Vault
from mentalspace.engine.steps import Action, StepContext
from mentalspace.engine.suppression import lift
from mentalspace.practice.phone_line import LANDLINE, is_landline, learn_kind, who_has
from mentalspace.practice.task import PHONE, close_tasks

_KEPT_FROM = """
select id from suppression where practice_id = $1 and integration = 'sms' and recipient_key = $2
   and reason = $3 and lifted_at is null and drill is null
"""

_NUMBER = """
select d.recipient_key, c.phone_e164 as e164
  from delivery d join client c on c.id = d.client_id where d.id = $1
"""


def mark_landline_with(vault: Vault) -> Action:
    """The action; the vault tells whether a number is the one that a delivery went to."""

    async def mark_landline(context: StepContext) -> None:
        """The client's number is a landline, so that nothing more is written as a text to it; if
        it is still the one that was texted. What its digits told is no news; nor is a drill's. A
        second time changes nothing."""
        if context.drill is not None or context.evidence.kind == "refused_locally":
            return
        row = await context.connection.fetchrow(_NUMBER, context.delivery_id)
        if row is None or row["e164"] is None:
            return
        if vault.recipient_key(context.practice_id, row["e164"]) != row["recipient_key"]:
            return
        await learn_kind(context.connection, context.practice_id, row["e164"], LANDLINE, "carrier")
        await record(
            context.connection,
            "marked_landline",
            practice_id=context.practice_id,
            delivery_id=context.delivery_id,
            data={"case": context.case.id},
        )

    return mark_landline


async def believe_text(
    connection: Connection, heard: Heard, recipient_key: str, actor: str
) -> None:
    """What texts us takes texts: a number that was called a landline is texted again, and nobody is
    asked for another. Of anything else that ends a number, an opt-out say, a text says nothing.
    """
    e164 = heard.message.sender.reveal()
    if heard.drill is not None or not await is_landline(connection, heard.practice_id, e164):
        return
    await learn_kind(connection, heard.practice_id, e164, "either", "client")
    stands = await connection.fetchval(_KEPT_FROM, heard.practice_id, recipient_key, LANDLINE)
    if stands is not None:
        # Not "free_text": the ledger would take that for a wish.
        message_id = heard.message.provider_message_id
        await lift(connection, stands, actor, how="webhook", evidence=message_id)
    for client_id in await who_has(connection, heard.practice_id, e164):
        await close_tasks(connection, client_id, PHONE)
