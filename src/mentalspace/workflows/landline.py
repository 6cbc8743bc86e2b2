"""The step `mark_landline`: what the carrier said of a number holds for whoever has it."""

from __future__ import annotations

from mentalspace.engine.ledger import record
from mentalspace.engine.secrets import Vault
from mentalspace.engine.steps import Action, StepContext
from mentalspace.practice.phone_line import LANDLINE, learn_kind

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
