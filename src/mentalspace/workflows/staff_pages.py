"""Pages to colleagues through our own rooms: a mail or a text, watched until it is taken."""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mentalspace.engine.channel import Channel, Message
from mentalspace.engine.db import Database
from mentalspace.engine.ledger import NewDelivery, cancel_deliveries, enqueue
from mentalspace.engine.secrets import Vault
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.sms.model import Text
from mentalspace.kernel.phi import Phi
from mentalspace.practice.saying.facts import Sender

KIND = "staff_page"
TAKEN_WITHIN_S = 12.0
LOOK_EVERY_S = 0.25
USEFUL = timedelta(minutes=30)

_TAKEN = ("accepted", "delivered")
_WAITING = ("pending", "due", "sending", "unknown")


@dataclass(frozen=True, slots=True)
class StaffPages:
    """Through the default practice's credentials. Nothing in a page names a client."""

    database: Database
    vault: Vault
    sender: Sender
    now: Callable[[], datetime]

    async def by_mail(self, channel: Channel, message: Message) -> str | None:
        """None once the provider has it; what it does not take in time is called back, so that the
        next way is not the second page."""
        mail = Mail(
            sender=self.sender.address,
            reply_to=self.sender.reply_to,
            to=channel.address,
            subject=message.title,
            text=message.body,
            html="".join(f"<p>{html.escape(line)}</p>" for line in (*message.lines, message.link)),
            kind=KIND,
        )
        return await self._send("email", channel, message, mail.to_bytes())

    async def by_text(self, channel: Channel, message: Message) -> str | None:
        body = f"{message.title}\n{message.link}"
        text = Text(channel.address, body, KIND, "en", useful_s=int(USEFUL.total_seconds()))
        return await self._send("sms", channel, message, text.to_bytes())

    async def _send(
        self, integration: str, channel: Channel, message: Message, payload: bytes
    ) -> str | None:
        async with self.database.as_dispatcher() as connection:
            practice_id: UUID | None = await connection.fetchval(
                "select id from practice where is_default"
            )
        if practice_id is None:
            return "there is no default practice to send it for"
        now = self.now()
        async with self.database.as_worker(practice_id) as connection:
            delivery_id = await enqueue(
                connection,
                self.vault,
                NewDelivery(
                    practice_id=practice_id,
                    integration=integration,
                    lane_class="interactive",
                    kind=KIND,
                    idempotency_key=f"{KIND}/{message.key}/{channel.key}/{now.timestamp():.0f}",
                    payload=payload,
                    recipient=Phi(channel.address),
                    expires_at=now + USEFUL,
                    carries_phi=False,
                ),
            )
        if delivery_id is None:
            return "the default practice has no credential for it"
        return await self._until_taken(practice_id, delivery_id)

    async def _until_taken(self, practice_id: UUID, delivery_id: UUID) -> str | None:
        ends, status = time.monotonic() + TAKEN_WITHIN_S, "pending"
        while time.monotonic() < ends:
            async with self.database.as_worker(practice_id) as connection:
                status = await connection.fetchval(
                    "select status from delivery where id = $1", delivery_id
                )
            if status in _TAKEN:
                return None
            if status not in _WAITING:
                return f"the message is {status}"
            await asyncio.sleep(LOOK_EVERY_S)
        async with self.database.as_worker(practice_id) as connection:
            await cancel_deliveries(
                connection, [delivery_id], reason="not taken in time", actor="pager"
            )
        return f"not taken within {TAKEN_WITHIN_S:.0f} s: it is {status}"
