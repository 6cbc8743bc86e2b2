"""A person of the practice texts a client: once, and only whom we may text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.ledger import NewDelivery, enqueue
from mentalspace.engine.services import Services
from mentalspace.integrations.sms.model import MOST_CHARACTERS, Text
from mentalspace.integrations.sms.segments import plain
from mentalspace.kernel.errors import MentalSpaceError
from mentalspace.kernel.phi import Phi
from mentalspace.practice.audit import note
from mentalspace.practice.quiet_hours import quiet_hours
from mentalspace.practice.saying.facts import language_of
from mentalspace.practice.task import close_answered
from mentalspace.practice.text_message import mark_read
from mentalspace.workflows.threads import Thread

KIND = "reply"
# Whoever texted us within a day is answered at any hour.
_ANSWERS = timedelta(days=1)
_USEFUL = timedelta(days=1)

_WHY_NOT: Mapping[str, str] = {
    "no_number": "No telephone number is on file that can be dialled. Put one in their record.",
    "landline": "The number on file takes calls only. Ask them for a mobile number.",
    "opted_out": "They want no texts from us. They can text START to get them again.",
    "not_agreed": "They have neither agreed to texts nor texted us. Call them, and ask.",
    "no_credential": "The practice has no SMS credential, so nothing can be texted.",
}


class CannotReply(MentalSpaceError):
    """`code` is stable; the text is for the person who wrote, and quotes nothing of theirs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


async def why_not(connection: Connection, thread: Thread) -> CannotReply | None:
    """What keeps us from texting them, if anything does."""
    code = await _why_not(connection, thread)
    return None if code is None else CannotReply(code, _WHY_NOT[code])


async def _why_not(connection: Connection, thread: Thread) -> str | None:
    row = thread.row
    if thread.number is None:
        return "no_number"
    if thread.number.kind == "landline":
        return "landline"
    if await connection.fetchval(
        "select app.is_suppressed($1, 'sms', $2, null, $3)",
        row["practice_id"],
        thread.key,
        row["id"],
    ):
        return "opted_out"
    if thread.last_heard_at is None and not row["agreed"]:
        return "not_agreed"
    able = await connection.fetchval(
        "select exists (select from credential where practice_id = $1 and integration = 'sms'"
        " and active and drill is null)",
        row["practice_id"],
    )
    return None if able else "no_credential"


async def reply(
    services: Services,
    claims: Mapping[str, Any],
    thread: Thread,
    body: str,
    *,
    once: str,
    traceparent: str | None = None,
) -> UUID:
    """The delivery's id; the same body under the same `once` is texted once. Its tasks are done,
    and what they wrote is read. Raises CannotReply."""
    row, now = thread.row, services.clock.now()
    async with services.database.as_user(claims) as connection:
        if (refused := await why_not(connection, thread)) is not None:
            raise refused
        assert thread.number is not None
        text = _written(thread, body)
        heard_at = thread.last_heard_at
        answers = heard_at is not None and now - heard_at < _ANSWERS
        mark = services.vault.tag("reply", text.body.encode()).hex()[:16]
        delivery_id = await enqueue(
            connection,
            services.vault,
            NewDelivery(
                practice_id=row["practice_id"],
                integration="sms",
                lane_class="interactive",
                kind=KIND,
                idempotency_key=f"sms/{KIND}/{thread.key}/{once}/{mark}",
                payload=text.to_bytes(),
                recipient=Phi(thread.number.e164),
                expires_at=now + _USEFUL,
                client_id=thread.client_id,
                traceparent=traceparent,
                hours=None
                if answers
                else quiet_hours(
                    thread.number.e164,
                    now.date(),
                    client_zone=row["zone"],
                    practice_zone=row["practice_zone"],
                    number_zones=thread.number.zones,
                ),
            ),
        )
        if delivery_id is None:
            raise CannotReply("no_credential", _WHY_NOT["no_credential"])
        await close_answered(connection, thread.key, thread.client_id)
        await mark_read(connection, thread.client_id, thread.key, UUID(str(claims["sub"])))
        await note(
            connection,
            str(claims["sub"]),
            "texts.replied",
            practice_id=row["practice_id"],
            subject=thread.client_id,
        )
        return delivery_id


def _written(thread: Thread, body: str) -> Text:
    """Raises CannotReply for what may not leave."""
    said = plain("\n".join(line.rstrip() for line in body.strip().splitlines()))
    if not said:
        raise CannotReply("empty", "Nothing is written yet.")
    if len(said) > MOST_CHARACTERS:
        raise CannotReply("too_long", f"A text has at most {MOST_CHARACTERS} characters.")
    row, name = thread.row, thread.row["name"]
    assert thread.number is not None
    text = Text(
        to=thread.number.e164,
        body=said,
        kind=KIND,
        language=language_of(row["language"]),
        may_say=tuple(filter(None, (row["practice_name"], row["practice_phone"]))),
        must_not_say=(name,) if name else (),
    )
    if found := text.findings():
        cures = " ".join(dict.fromkeys(each.cure for each in found))
        raise CannotReply("phi", f"A text lies on a lock screen. {cures}")
    return text
