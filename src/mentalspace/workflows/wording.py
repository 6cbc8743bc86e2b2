"""The step `name_wording`: which text a carrier held back, by its template and by what it bears."""

from __future__ import annotations

from mentalspace.engine.ledger import record
from mentalspace.engine.secrets import Vault
from mentalspace.engine.steps import Action, StepContext
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.spam import suspicious

_PAYLOAD = "select payload from delivery where id = $1"


def name_wording_with(vault: Vault, own_host: str) -> Action:
    """The action; the vault opens the text, of which the timeline keeps its kind, its language and
    the signs of spam in it, and nothing that a client could be known by."""

    async def name_wording(context: StepContext) -> None:
        sealed = await context.connection.fetchval(_PAYLOAD, context.delivery_id)
        if sealed is None:
            return
        text = Text.from_bytes(vault.open(context.practice_id, "delivery", sealed))
        await record(
            context.connection,
            "wording_named",
            practice_id=context.practice_id,
            delivery_id=context.delivery_id,
            data={
                "case": context.case.id,
                "kind": text.kind,
                "language": text.language,
                "signs": suspicious(text.body, own_host),
            },
            drill=context.drill,
        )

    return name_wording
