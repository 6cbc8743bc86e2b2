"""The team's suppression list: who bounced or complained before, and who was put there by hand."""

from __future__ import annotations

import json
from datetime import datetime

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.endpoints import tell
from mentalspace.integrations.email.resend.sandbox.errors import invalid, missing, not_found
from mentalspace.integrations.email.resend.sandbox.mail import bare, check_address
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page, text_of
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    message_id,
    new_id,
    row_stamp,
    stamp,
)

THING = "suppression"
ORIGINS = ("bounce", "complaint", "manual")
MOST = 100


def suppressed(kit: Kit, team: Account, address: str, at: datetime) -> str | None:
    """Why the address is on the list as it stands at `at`; None if it is not."""
    item = kit.shelf.get(team.id, THING, bare(address).lower())
    return item["origin"] if item and _is_in_force(item, at) else None


def suppress(
    kit: Kit, team: Account, address: str, origin: str, at: datetime, source: str | None = None
) -> Json:
    """Put an address on the list from `at` on, which may be ahead. Again: nothing new."""
    email = bare(address).lower()
    known = kit.shelf.get(team.id, THING, email)
    if known is not None:
        return known
    item = {
        "id": new_id(),
        "email": email,
        "origin": origin,
        "source_id": source,
        "created_at": at.isoformat(),
    }
    kit.shelf.put(team.id, THING, email, item)
    _tell(kit, team, "suppression.added", item, at)
    return item


def forget_ahead(kit: Kit, team: Account, source: str) -> None:
    """Take back what a mail that is not sent after all would have put on the list."""
    for item in kit.shelf.all(team.id, THING):
        if item["source_id"] == source:
            kit.shelf.remove(team.id, THING, item["email"])
            kit.hooks.withdraw(item["id"])


# source: https://resend.com/docs/api-reference/suppressions/add-suppression
def _add(visit: Visit) -> Reply:
    email = text_of(visit.fields(), "email")
    check_address("email", email)
    item = suppress(visit.kit, visit.team, email, "manual", visit.now)
    return json_reply(201, {"object": THING, "id": item["id"]})


def _add_many(visit: Visit) -> Reply:
    emails = _list_of(visit, "emails")
    for email in emails:
        check_address("emails", email)
    unique = dict.fromkeys(bare(email).lower() for email in emails)
    items = [suppress(visit.kit, visit.team, e, "manual", visit.now) for e in unique]
    return json_reply(201, {"data": [{"object": THING, "id": item["id"]} for item in items]})


def _remove_many(visit: Visit) -> Reply:
    fields = visit.fields()
    if ("emails" in fields) is ("ids" in fields):
        raise invalid("Provide either `emails` or `ids`, but not both.")
    wanted = {str(each).lower() for each in _list_of(visit, "ids" if "ids" in fields else "emails")}
    gone = [item for item in _items(visit) if wanted & {item["id"], item["email"]}]
    for item in gone:
        _take_off(visit, item)
    removed = [{"object": THING, "id": item["id"], "deleted": True} for item in gone]
    return json_reply(200, {"data": removed})


def _list(visit: Visit) -> Reply:
    origin = visit.query("origin")
    if origin not in (None, *ORIGINS):
        raise invalid(f"The `origin` parameter must be one of {', '.join(ORIGINS)}.")
    items = [_shown(item) for item in _items(visit) if origin in (None, item["origin"])]
    return json_reply(200, page(visit, items))


def _get(visit: Visit) -> Reply:
    return json_reply(200, {"object": THING, **_shown(_find(visit))})


def _remove(visit: Visit) -> Reply:
    item = _find(visit)
    _take_off(visit, item)
    return json_reply(200, {"object": THING, "id": item["id"], "deleted": True})


def _items(visit: Visit) -> list[Json]:
    """In force by now, newest first."""
    items = visit.kit.shelf.all(visit.team.id, THING)
    return [item for item in reversed(items) if _is_in_force(item, visit.now)]


def _is_in_force(item: Json, at: datetime) -> bool:
    return datetime.fromisoformat(item["created_at"]) <= at


def _find(visit: Visit) -> Json:
    wanted = visit.args["suppression"].lower()
    for item in _items(visit):
        if wanted in (item["id"], item["email"]):
            return item
    raise not_found("Suppression")


def _take_off(visit: Visit, item: Json) -> None:
    visit.kit.shelf.remove(visit.team.id, THING, item["email"])
    _tell(visit.kit, visit.team, "suppression.removed", item, visit.now)


def _list_of(visit: Visit, name: str) -> list[str]:
    value = visit.fields().get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, list) or not 1 <= len(value) <= MOST:
        raise invalid(f"The `{name}` field must be an `array` of 1 to {MOST} items.")
    if not all(isinstance(each, str) for each in value):
        raise invalid(f"The `{name}` field must be an `array` of `string`.")
    return value


def _shown(item: Json) -> Json:
    return {**item, "created_at": row_stamp(item["created_at"])}


def _tell(kit: Kit, team: Account, event: str, item: Json, at: datetime) -> None:
    body = {"type": event, "created_at": stamp(at), "data": _shown(item)}
    tell(kit, team, [News(message_id(), event, json.dumps(body), at, item["id"])])


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/suppressions", _add),
    ("GET", "/suppressions", _list),
    ("POST", "/suppressions/batch/add", _add_many),
    ("POST", "/suppressions/batch/remove", _remove_many),
    ("GET", "/suppressions/{suppression}", _get),
    ("DELETE", "/suppressions/{suppression}", _remove),
)
