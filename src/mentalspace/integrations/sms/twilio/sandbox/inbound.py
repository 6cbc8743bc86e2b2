"""What people text to an account's numbers, and the replies Twilio gives by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.integrations.sms.twilio.sandbox.callbacks import tell_inbound
from mentalspace.integrations.sms.twilio.sandbox.consent import heed, keyword_of
from mentalspace.integrations.sms.twilio.sandbox.segments import segments_of
from mentalspace.integrations.sms.twilio.sandbox.senders import services_of
from mentalspace.integrations.sms.twilio.sandbox.words import (
    API_VERSION,
    PROVIDER,
    ROOM,
    Json,
    new_sid,
    option,
    sid_of,
)

# Beside the outbox: nobody sent these through the API.
THING = "side_message"


def hear(
    kit: Kit, account: Account, person: str, number: str, body: str, at: datetime | None = None
) -> str:
    """A person's text arrives, now or at an instant ahead; its SID."""
    now = at or kit.clock.now()
    sid = new_sid("SM")
    _keep(kit, account, sid, person, number, body, "inbound", now)
    keyword = keyword_of(body)
    fields = _fields(kit, account, sid, person, number, body)
    if keyword and option(kit, account, "advanced_opt_out"):
        fields["OptOutType"] = keyword
    tell_inbound(kit, account, fields, now)
    reply = heed(kit, account, number, person, keyword, now) if keyword else None
    if reply:
        _keep(kit, account, new_sid("SM"), number, person, reply, "outbound-reply", now)
    return sid


def side_messages(kit: Kit, account: Account) -> Sequence[Accepted]:
    """Oldest first, in the outbox's shape."""
    return [_accepted(account, item) for item in kit.shelf.all(account.id, THING)]


def side_message(kit: Kit, account: Account, sid: str) -> Accepted | None:
    item = kit.shelf.get(account.id, THING, sid)
    return _accepted(account, item) if item else None


def change(kit: Kit, account: Account, sid: str, **changes: Any) -> None:
    item = kit.shelf.get(account.id, THING, sid)
    if item is not None:
        kit.shelf.put(account.id, THING, sid, {**item, **changes})


def forget(kit: Kit, account: Account, sid: str) -> None:
    kit.shelf.remove(account.id, THING, sid)


def _keep(
    kit: Kit,
    account: Account,
    sid: str,
    sender: str,
    to: str,
    body: str,
    direction: str,
    at: datetime,
) -> None:
    state = "received" if direction == "inbound" else "delivered"
    item = {
        "sid": sid,
        "from": sender,
        "to": to,
        "body": body,
        "direction": direction,
        "state": state,
        "at": at.isoformat(),
    }
    kit.shelf.put(account.id, THING, sid, item)


def _accepted(account: Account, item: Json) -> Accepted:
    content = {
        "from": item["from"],
        "to": item["to"],
        "text": item["body"],
        "direction": item["direction"],
        "segments": segments_of(item["body"]),
    }
    step = Step(f"message.{item['state']}", item["at"])
    return Accepted(item["sid"], ROOM, PROVIDER, account.id, item["at"], "", content, (step,))


# source: https://www.twilio.com/docs/messaging/guides/webhook-request
def _fields(
    kit: Kit, account: Account, sid: str, person: str, number: str, body: str
) -> dict[str, str]:
    fields = {
        "ToCountry": "US",
        "ToState": "",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "ToCity": "",
        "FromZip": "",
        "SmsSid": sid,
        "FromState": "",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": body,
        "FromCountry": "US",
        "To": number,
        "ToZip": "",
        "NumSegments": str(segments_of(body)),
        "MessageSid": sid,
        "AccountSid": sid_of(account),
        "From": person,
        "ApiVersion": API_VERSION,
    }
    if option(kit, account, "inbound_by_service"):
        fields["MessagingServiceSid"] = next(iter(services_of(kit, account)))
    return fields
