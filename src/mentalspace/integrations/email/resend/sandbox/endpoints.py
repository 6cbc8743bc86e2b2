"""Where a team's webhooks go, what each endpoint hears of, and by which secrets it is signed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.errors import invalid, missing, not_found
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page, text_of
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    lasting_id,
    new_id,
    row_stamp,
)
from mentalspace.kernel.errors import Refused

THING = "webhook"
# What the team's first endpoint, the one its account was made with, has changed of its own.
FIRST = "first_webhook"

# A day, as is usual among such senders; Resend's page gives no time.
OLD_SECRET_LIVES = timedelta(hours=24)

# source: https://resend.com/docs/webhooks/event-types; the families this sandbox never tells of
# may be subscribed to all the same
FAMILIES = ("email.", "contact.", "domain.", "suppression.", "topic.", "inbox.")


def tell(kit: Kit, team: Account, news: Sequence[News]) -> None:
    """Send these events of one thing to every endpoint that wants them."""
    for item in _endpoints(kit, team):
        wanted = [one for one in news if item["events"] is None or one.event in item["events"]]
        if wanted and item["status"] == "enabled":
            kit.hooks.tell(team, wanted, item["hooks"])


def endpoint_of(kit: Kit, team: Account, endpoint: str) -> Account | None:
    """The account with this endpoint's address and the secrets that are valid now."""
    now = kit.clock.now()
    for item in _endpoints(kit, team):
        if item["hooks"] == endpoint:
            valid = [s for s, until in item["secrets"] if until is None or _at(until) > now]
            return replace(team, webhook_url=item["endpoint"], webhook_secret=" ".join(valid))
    return None


# source: https://resend.com/docs/api-reference/webhooks/create-webhook
def _create(visit: Visit) -> Reply:
    fields = visit.fields()
    item: Json = {
        "id": new_id(),
        "endpoint": _address(visit, text_of(fields, "endpoint")),
        "events": _events(fields),
        "status": "enabled",
        "secrets": [[_new_secret(), None]],
        "created_at": visit.now.isoformat(),
    }
    visit.kit.shelf.put(visit.team.id, THING, item["id"], item)
    answer = {"object": THING, "id": item["id"], "signing_secret": item["secrets"][0][0]}
    return json_reply(201, answer)


def _list(visit: Visit) -> Reply:
    return json_reply(200, page(visit, [_shown(i) for i in reversed(_all(visit))]))


def _get(visit: Visit) -> Reply:
    item = find_endpoint(visit)
    shown = {"object": THING, **_shown(item)}
    return json_reply(200, {**shown, "signing_secret": item["secrets"][0][0]})


def _update(visit: Visit) -> Reply:
    item, fields = find_endpoint(visit), visit.fields()
    changes: Json = {}
    if fields.get("endpoint") is not None:
        changes["endpoint"] = _address(visit, text_of(fields, "endpoint"))
    if fields.get("events") is not None:
        changes["events"] = _events(fields)
    if fields.get("status") is not None:
        if fields["status"] not in ("enabled", "disabled"):
            raise invalid("The `status` field must be `enabled` or `disabled`.")
        changes["status"] = fields["status"]
    _save(visit, {**item, **changes})
    return json_reply(200, {"object": THING, "id": item["id"]})


def _remove(visit: Visit) -> Reply:
    item = find_endpoint(visit)
    if item["hooks"]:
        visit.kit.shelf.remove(visit.team.id, THING, item["id"])
    else:
        visit.kit.accounts.change(visit.team, webhook_url=None, webhook_secret=None)
    return json_reply(200, {"object": THING, "id": item["id"], "deleted": True})


def _rotate(visit: Visit) -> Reply:
    """A new secret; the one before it signs as well for a day."""
    item = find_endpoint(visit)
    until = (visit.now + OLD_SECRET_LIVES).isoformat()
    fresh = _new_secret()
    _save(visit, {**item, "secrets": [[fresh, None], [item["secrets"][0][0], until]]})
    return json_reply(200, {"object": THING, "id": item["id"], "signing_secret": fresh})


def _endpoints(kit: Kit, team: Account) -> list[Json]:
    """Oldest first. `hooks` is the kit's word for it: "" is the account's own address."""
    further = [{**item, "hooks": item["id"]} for item in kit.shelf.all(team.id, THING)]
    return [*_first(kit, team), *further]


def _first(kit: Kit, team: Account) -> list[Json]:
    if team.webhook_url is None:
        return []
    changed = kit.shelf.get(team.id, FIRST, "") or {}
    until = changed.get("until", {})
    return [
        {
            "id": lasting_id(team.id),
            "endpoint": team.webhook_url,
            "events": changed.get("events"),
            "status": changed.get("status", "enabled"),
            "secrets": [[s, until.get(s)] for s in team.webhook_secrets] or [["", None]],
            "created_at": changed.get("created_at", "2026-01-05T09:00:00+00:00"),
            "hooks": "",
        }
    ]


def _save(visit: Visit, item: Json) -> None:
    if item["hooks"]:
        kept = {name: value for name, value in item.items() if name != "hooks"}
        visit.kit.shelf.put(visit.team.id, THING, item["id"], kept)
        return
    visit.kit.accounts.change(
        visit.team,
        webhook_url=item["endpoint"],
        webhook_secret=" ".join(secret for secret, _until in item["secrets"]),
    )
    changed = {name: item[name] for name in ("events", "status", "created_at")}
    changed["until"] = {secret: until for secret, until in item["secrets"] if until}
    visit.kit.shelf.put(visit.team.id, FIRST, "", changed)


def _all(visit: Visit) -> list[Json]:
    return _endpoints(visit.kit, visit.team)


def find_endpoint(visit: Visit) -> Json:
    for item in _all(visit):
        if item["id"] == visit.args["webhook_id"]:
            return item
    raise not_found("Webhook")


def _shown(item: Json) -> Json:
    return {
        "id": item["id"],
        "endpoint": item["endpoint"],
        "events": item["events"],
        "status": item["status"],
        "created_at": row_stamp(item["created_at"]),
    }


def _events(fields: Json) -> list[str]:
    events = fields.get("events")
    if events is None:
        raise missing("events")
    if not isinstance(events, list) or not events:
        raise invalid("The `events` field must be an `array` of at least one event type.")
    for event in events:
        if not isinstance(event, str) or not event.startswith(FAMILIES):
            raise invalid("The `events` field holds an unknown event type.")
    return events


def _address(visit: Visit, url: str) -> str:
    try:
        visit.kit.accounts.check_url(url)
    except Refused as error:
        raise invalid(f"Invalid `endpoint` field: {error}") from error
    return url


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/webhooks", _create),
    ("GET", "/webhooks", _list),
    ("GET", "/webhooks/{webhook_id}", _get),
    ("PATCH", "/webhooks/{webhook_id}", _update),
    ("DELETE", "/webhooks/{webhook_id}", _remove),
    ("POST", "/webhooks/{webhook_id}/signing-secret/rotate", _rotate),
)
