"""A message as the API shows it."""

from __future__ import annotations

from datetime import datetime

from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.integrations.sms.twilio.sandbox.fate import FINAL
from mentalspace.integrations.sms.twilio.sandbox.visit import Visit
from mentalspace.integrations.sms.twilio.sandbox.words import API_VERSION, Json, rfc2822

PRICE_PER_SEGMENT = 0.0083


def state_of(item: Accepted, now: datetime) -> str:
    return _last(item, now).kind.rpartition(".")[2]


def sent_at(item: Accepted, now: datetime) -> datetime | None:
    """When the carrier got it; an inbound message, when it came."""
    for step in item.so_far(now):
        if step.kind.rpartition(".")[2] in ("sent", "undelivered", "delivered", "received"):
            return datetime.fromisoformat(step.at)
    return None


# source: twilio-oai, api.v2010.account.message
def shown(visit: Visit, item: Accepted, *, fresh: bool = False) -> Json:
    """`fresh` is the answer to the send itself: the initial state, and nothing that follows."""
    now, content = visit.now, item.content
    last = item.steps[0] if fresh else _last(item, now)
    state = last.kind.rpartition(".")[2]
    error = last.details.get("error", {})
    uri = f"/{API_VERSION}/Accounts/{visit.sid}/Messages/{item.id}"
    by_service = fresh and content.get("service")
    final = state in FINAL and state not in ("canceled", "failed")
    price = -PRICE_PER_SEGMENT * content["segments"]
    return {
        "account_sid": visit.sid,
        "api_version": API_VERSION,
        "body": content["text"],
        "date_created": rfc2822(datetime.fromisoformat(item.at)),
        "date_sent": None if fresh else rfc2822(sent_at(item, now)),
        "date_updated": rfc2822(max(datetime.fromisoformat(item.at), _at(last.at))),
        "direction": content["direction"],
        "error_code": error.get("code"),
        "error_message": error.get("message"),
        "from": None if by_service else content["from"],
        "messaging_service_sid": content.get("service") or None,
        "num_media": "0",
        "num_segments": "0" if by_service else str(content["segments"]),
        "price": f"{price:.5f}" if final else None,
        "price_unit": "USD",
        "sid": item.id,
        "status": state,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": content["to"],
        "uri": f"{uri}.json",
    }


def _last(item: Accepted, now: datetime) -> Step:
    return (item.so_far(now) or item.steps[:1])[-1]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
