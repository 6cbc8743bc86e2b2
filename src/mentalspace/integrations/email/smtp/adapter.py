"""Sends mails through an SMTP relay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.smtp.conversation import conversation
from mentalspace.integrations.email.smtp.wire import (
    bare,
    message_bytes,
    message_id,
    queue_id,
    relay_at,
)
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.event import Event
from mentalspace.kernel.integration import Credential, Http


class SmtpAdapter:
    def __init__(self, http: Http, credential: Credential) -> None:
        self._http = http
        self._base_url = credential.base_url
        self._username = credential.secrets["username"]
        self._password = credential.secrets["password"]

    async def send(self, payload: bytes, *, idempotency_key: str) -> Receipt:
        """One mail, one conversation. The receipt's id is the Message-ID, made of the key."""
        mail = Mail.from_bytes(payload)
        mail_id = message_id(mail, idempotency_key)
        message = message_bytes(mail, mail_id, datetime.now(UTC))
        async with conversation(self._http, relay_at(self._base_url)) as talk:
            await talk.log_in(self._username, self._password)
            said = await talk.hand_over(bare(mail.sender), bare(mail.to), message)
        return Receipt(mail_id, queue_id(said))

    async def reconcile(
        self,
        payload: bytes,  # noqa: ARG002
        *,
        idempotency_key: str,  # noqa: ARG002
        first_attempt_age: timedelta,  # noqa: ARG002
        last_send_age: timedelta,  # noqa: ARG002
        taken: Collection[str],  # noqa: ARG002
    ) -> Receipt | None:
        """SMTP has nothing to ask, and a relay does not know a repeat for one."""
        raise ProviderError(Evidence("refused_locally", code="nothing_to_ask"))

    async def look_up(self, provider_message_id: str) -> Event | None:  # noqa: ARG002
        """Nothing: a relay says no more of a mail than that it took it."""
        return None

    async def check(self) -> str:
        """Greeting, TLS, AUTH and NOOP: everything but a mail."""
        relay = relay_at(self._base_url)
        async with conversation(self._http, relay) as talk:
            await talk.log_in(self._username, self._password)
            await talk.idle()
        return "account accepted" + ("" if relay.here else " over TLS")
