"""The messages an account has: listed, fetched, redacted, cancelled, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.sms.twilio.sandbox import inbound
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.fate import FINAL
from mentalspace.integrations.sms.twilio.sandbox.message import sent_at, shown, state_of
from mentalspace.integrations.sms.twilio.sandbox.numbers import normal
from mentalspace.integrations.sms.twilio.sandbox.sending import create
from mentalspace.integrations.sms.twilio.sandbox.visit import Handler, Visit
from mentalspace.integrations.sms.twilio.sandbox.words import API_VERSION

MOST_ON_A_PAGE = 1000
USUAL_ON_A_PAGE = 50


# source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
def _list(visit: Visit) -> Reply:
    """Newest first. What was just made is not found here before the account's lag is over."""
    found = [item for item in _items(visit) if _wanted(visit, item)]
    size = _number(visit, "PageSize", USUAL_ON_A_PAGE, 1, MOST_ON_A_PAGE)
    number = _number(visit, "Page", 0, 0, 10**6)
    start = number * size
    token = (visit.query("PageToken") or "").removeprefix("PA")
    ids = [item.id for item in found]
    if token in ids:  # so that what came meanwhile shifts nothing
        start = ids.index(token) + 1
    part = found[start : start + size]
    more = start + size < len(found)
    kept = [
        (name, value)
        for name, value in parse_qsl(visit.call.query)
        if name not in ("Page", "PageToken", "PageSize")
    ]

    def uri(page: int, after: str = "") -> str:
        turns = [("PageSize", size), ("Page", page), *([("PageToken", f"PA{after}")] * bool(after))]
        query = urlencode([*kept, *turns])
        return f"/{API_VERSION}/Accounts/{visit.sid}/Messages.json?{query}"

    body = {
        "messages": [shown(visit, item) for item in part],
        "first_page_uri": uri(0),
        "next_page_uri": uri(number + 1, part[-1].id) if more else None,
        "previous_page_uri": uri(number - 1) if number else None,
        "uri": uri(number),
        "page": number,
        "page_size": size,
        "start": start,
        "end": start + max(0, len(part) - 1),
    }
    return json_reply(200, body)


def _get(visit: Visit) -> Reply:
    return json_reply(200, shown(visit, _find(visit)))


# source: https://www.twilio.com/docs/messaging/api/message-resource#update-a-message-resource
def _update(visit: Visit) -> Reply:
    """Either the body goes, once the message has ended; or a scheduled one is cancelled."""
    item, form = _find(visit), visit.form()
    state = state_of(item, visit.now)
    if form.get("Status", [""])[-1] == "canceled":
        if state != "scheduled":
            raise Problem(30409)
        step = Step("message.canceled", visit.now.isoformat())
        visit.kit.hooks.withdraw(item.id)
        visit.kit.outbox.plan(item.id, (*item.so_far(visit.now), step))
    elif form.get("Body") == [""]:
        if state not in FINAL:
            raise Problem(20009, "Cannot redact this resource before it is complete")
        if visit.kit.outbox.get(item.id):
            visit.kit.outbox.plan(item.id, item.steps, text="")
        else:
            inbound.change(visit.kit, visit.account, item.id, body="")
    else:
        raise Problem(20001, "Only an empty 'Body', or the 'Status' canceled, may be given")
    return json_reply(200, shown(visit, _find(visit)))


def _delete(visit: Visit) -> Reply:
    item = _find(visit)
    if state_of(item, visit.now) not in FINAL:
        raise Problem(20009)
    if visit.kit.outbox.get(item.id):
        visit.kit.outbox.plan(item.id, item.steps, text="", deleted=True)
    else:
        inbound.forget(visit.kit, visit.account, item.id)
    return Reply(204, b"")


def _find(visit: Visit) -> Accepted:
    sid = visit.args["message"]
    item = visit.kit.outbox.get(sid) or inbound.side_message(visit.kit, visit.account, sid)
    if item is None or item.account != visit.account.id or item.content.get("deleted"):
        raise Problem(20404, f"The requested resource {visit.call.path} was not found")
    return item


def _items(visit: Visit) -> Iterator[Accepted]:
    lag = timedelta(seconds=visit.option("list_lag_s"))
    out = visit.kit.outbox.items(account=visit.account.id, to=normal(visit.query("To") or ""))
    everything = [*out, *inbound.side_messages(visit.kit, visit.account)]
    for item in sorted(everything, key=lambda one: one.at, reverse=True):
        visible = datetime.fromisoformat(item.at) + lag <= visit.now
        if visible and not item.content.get("deleted"):
            yield item


def _wanted(visit: Visit, item: Accepted) -> bool:
    for name, field in (("To", "to"), ("From", "from")):
        given = visit.query(name)
        if given and item.content[field] != (normal(given) or given):
            return False
    moment = sent_at(item, visit.now)
    for name in ("DateSent", "DateSent>", "DateSent<"):
        given = visit.query(name)
        if not given:
            continue
        if moment is None:
            return False
        first, last = _span(given)
        later, earlier = name.endswith(">"), name.endswith("<")
        if (not earlier and moment < first) or (not later and moment > last):
            return False
    return True


def _span(given: str) -> tuple[datetime, datetime]:
    """A day, or an instant. Raises the Problem of neither."""
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise Problem(20001, "DateSent must be a date or a time in ISO 8601") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole_day = len(given) <= len("2026-01-31")
    return moment, moment + timedelta(days=1, microseconds=-1) if whole_day else moment


def _number(visit: Visit, name: str, usual: int, low: int, high: int) -> int:
    given = visit.query(name) or ""
    return min(high, max(low, int(given))) if given.isdigit() else usual


MESSAGES = f"/{API_VERSION}/Accounts/{{account}}/Messages"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", f"{MESSAGES}.json", create),
    ("GET", f"{MESSAGES}.json", _list),
    ("GET", f"{MESSAGES}/{{message}}.json", _get),
    ("POST", f"{MESSAGES}/{{message}}.json", _update),
    ("DELETE", f"{MESSAGES}/{{message}}.json", _delete),
)
