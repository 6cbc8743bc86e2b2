"""Telling the customer: each change of a message's state, and each message that came in."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.integrations.sms.twilio.sandbox.signature import with_hash
from mentalspace.integrations.sms.twilio.sandbox.site import local
from mentalspace.integrations.sms.twilio.sandbox.words import (
    API_VERSION,
    Json,
    is_test,
    option,
    sid_of,
)

# What the account is told of without an address of its own for it.
INBOUND = ""


def endpoint_of(_kit: Kit, account: Account, endpoint: str) -> Account | None:
    """An endpoint is named by its address; the account's own is the number's SmsUrl."""
    return replace(account, webhook_url=local(account, endpoint)) if endpoint else account


# source: https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
def report(kit: Kit, account: Account, item: Accepted, steps: Sequence[Step]) -> None:
    """Tell of these steps where the message asked for it; never of its initial state."""
    url = item.content.get("callback")
    if not url or is_test(account):
        return
    for step in steps:
        fields = _status(account, item, step)
        _tell(kit, account, url, step.kind, fields, datetime.fromisoformat(step.at), item.id)


def tell_inbound(kit: Kit, account: Account, fields: Json, at: datetime) -> None:
    """A message came in: the number's SmsUrl hears of it."""
    if account.webhook_url:
        _tell(kit, account, INBOUND, "message.received", fields, at, fields["MessageSid"])


# source: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
def _status(account: Account, item: Accepted, step: Step) -> Json:
    state = step.kind.rpartition(".")[2]
    fields: Json = {
        "ApiVersion": API_VERSION,
        "MessageStatus": state,
        "SmsSid": item.id,
        "SmsStatus": state,
        "To": item.content["to"],
        "From": item.content["from"],
        "MessageSid": item.id,
        "AccountSid": sid_of(account),
    }
    if item.content.get("service"):
        fields["MessagingServiceSid"] = item.content["service"]
    if state in ("delivered", "undelivered"):
        fields["RawDlrDoneDate"] = datetime.fromisoformat(step.at).strftime("%y%m%d%H%M")
    if "error" in step.details:
        fields["ErrorCode"] = str(step.details["error"]["code"])
    return fields


def _tell(
    kit: Kit, account: Account, url: str, event: str, fields: Json, at: datetime, about: str
) -> None:
    body = urlencode(fields)
    if option(kit, account, "callback_format") == "json":
        body = json.dumps(fields)
        url = with_hash(url or account.webhook_url or "", body.encode())
    news = News(str(uuid.uuid4()), event, body, at, about)
    kit.hooks.tell(account, [news], url)
