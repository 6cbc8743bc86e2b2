"""API keys of a team: made, listed, renamed, revoked. Several may be in use at once."""

from __future__ import annotations

import secrets

from mentalspace.emulator.accounts import Account, hash_key
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.errors import Problem, invalid, not_found
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page, text_of
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    lasting_id,
    new_id,
    option,
    row_stamp,
)

THING = "api_key"
PERMISSIONS = ("full_access", "sending_access")


def key_of(kit: Kit, team: Account, key_hash: str) -> Json:
    """What is known of one of the team's keys; the one it began with has the team's permission."""
    return kit.shelf.get(team.id, THING, key_hash) or {
        "id": lasting_id(key_hash),
        "hash": key_hash,
        "name": "Onboarding",
        "permission": option(kit, team, "permission"),
        "domain_id": None,
        "created_at": "2026-01-05T09:00:00+00:00",
    }


# source: https://resend.com/docs/api-reference/api-keys/create-api-key; recordings show that an
# empty name is accepted
def _create(visit: Visit) -> Reply:
    fields = visit.fields()
    if not isinstance(fields.get("name"), str):
        text_of(fields, "name")
    permission = fields.get("permission") or "full_access"
    if permission not in PERMISSIONS:
        raise Problem(422, "invalid_access")
    token = f"re_{secrets.token_urlsafe(24)}"
    item = {
        "id": new_id(),
        "hash": hash_key(token),
        "name": fields["name"],
        "permission": permission,
        "domain_id": fields.get("domain_id"),
        "created_at": visit.now.isoformat(),
    }
    visit.kit.shelf.put(visit.team.id, THING, item["hash"], item)
    visit.kit.accounts.add_key(visit.team, token)
    return json_reply(201, {"id": item["id"], "token": token})


def _list(visit: Visit) -> Reply:
    return json_reply(200, page(visit, [_shown(visit, item) for item in _all(visit)[::-1]]))


def _update(visit: Visit) -> Reply:
    item = _find(visit)
    name = text_of(visit.fields(), "name")
    visit.kit.shelf.put(visit.team.id, THING, item["hash"], {**item, "name": name})
    return json_reply(200, {"object": THING, "id": item["id"]})


def _remove(visit: Visit) -> Reply:
    item = _find(visit)
    if item["hash"] == visit.key_hash and len(visit.team.key_hashes) == 1:
        # Ours: a team without any key could never be spoken to again.
        raise invalid("The only API key of a team cannot be removed.")
    visit.kit.accounts.revoke_key(visit.team, item["hash"])
    return json_reply(200, {"object": THING, "id": item["id"], "deleted": True})


def _all(visit: Visit) -> list[Json]:
    return [key_of(visit.kit, visit.team, digest) for digest in visit.team.key_hashes]


def _find(visit: Visit) -> Json:
    for item in _all(visit):
        if item["id"] == visit.args["api_key_id"]:
            return item
    raise not_found("API key")


def _shown(visit: Visit, item: Json) -> Json:
    used_at = visit.key_used_at.get(item["hash"])
    return {
        "id": item["id"],
        "name": item["name"],
        "created_at": row_stamp(item["created_at"]),
        "last_used_at": row_stamp(used_at) if used_at else None,
    }


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/api-keys", _create),
    ("GET", "/api-keys", _list),
    ("PATCH", "/api-keys/{api_key_id}", _update),
    ("DELETE", "/api-keys/{api_key_id}", _remove),
)
