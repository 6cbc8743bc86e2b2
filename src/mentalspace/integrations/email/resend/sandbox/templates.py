"""Templates: kept, published, and filled in when a mail names one."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.errors import invalid, not_found
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page, text_of
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    new_id,
    row_stamp,
)

THING = "template"
FIELDS = ("name", "alias", "from", "subject", "reply_to", "html", "text", "variables")
# source: https://resend.com/docs/api-reference/templates/create-template (its example)
VARIABLE = re.compile(r"\{\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}\}")


def filled(kit: Kit, team: Account, email: Json) -> Json:
    """The mail with its template's parts filled in; what the mail says itself comes first.

    Raises the Problem of a template that is not there, is not published, or lacks a variable.
    """
    chosen = email.get("template")
    if not chosen:
        return email
    if not isinstance(chosen, dict) or not isinstance(chosen.get("id"), str):
        raise invalid("The `template` field must be an `object` with an `id`.")
    if email.get("html") or email.get("text"):
        raise invalid("The `template` field cannot be used with `html` or `text`.")
    template = _lookup(kit, team, chosen["id"])
    if template is None or template["published_at"] is None:
        raise not_found("Template")
    values = _values(template, chosen.get("variables") or {})
    parts: Json = {
        name: template[name]
        for name in ("from", "subject", "reply_to")
        if template.get(name) and not email.get(name)
    }
    for name in ("html", "text", "subject"):
        text = parts.get(name) or template.get(name)
        if isinstance(text, str) and not (name == "subject" and email.get("subject")):
            escape = html.escape if name == "html" else str
            parts[name] = _fill(text, {key: escape(value) for key, value in values.items()})
    return {**email, **parts}


# source: https://resend.com/docs/api-reference/templates/create-template
def _create(visit: Visit) -> Reply:
    fields = visit.fields()
    text_of(fields, "name")
    text_of(fields, "html")
    now = visit.now.isoformat()
    item: Json = {
        "id": new_id(),
        **{name: fields.get(name) for name in FIELDS},
        "published_at": None,
        "created_at": now,
        "updated_at": now,
    }
    visit.kit.shelf.put(visit.team.id, THING, item["id"], item)
    return _told(item, 201)


def _list(visit: Visit) -> Reply:
    brief = ("id", "name", "alias", "status", "published_at", "created_at", "updated_at")
    shown = [_shown(item) for item in reversed(visit.kit.shelf.all(visit.team.id, THING))]
    return json_reply(200, page(visit, [{name: one[name] for name in brief} for one in shown]))


def _get(visit: Visit) -> Reply:
    return json_reply(200, {"object": THING, **_shown(_find(visit))})


def _update(visit: Visit) -> Reply:
    fields = visit.fields()
    item = {**_find(visit), **{name: fields[name] for name in FIELDS if name in fields}}
    return _put(visit, item)


def _publish(visit: Visit) -> Reply:
    return _put(visit, {**_find(visit), "published_at": visit.now.isoformat()})


def _duplicate(visit: Visit) -> Reply:
    copy = {**_find(visit), "id": new_id(), "alias": None, "published_at": None}
    return _put(visit, copy)


def _remove(visit: Visit) -> Reply:
    item = _find(visit)
    visit.kit.shelf.remove(visit.team.id, THING, item["id"])
    return json_reply(200, {"object": THING, "id": item["id"], "deleted": True})


def _put(visit: Visit, item: Json) -> Reply:
    kept = {**item, "updated_at": visit.now.isoformat()}
    visit.kit.shelf.put(visit.team.id, THING, item["id"], kept)
    return _told(item, 200)


def _find(visit: Visit) -> Json:
    found = _lookup(visit.kit, visit.team, visit.args["template"])
    if found is None:
        raise not_found("Template")
    return found


def _lookup(kit: Kit, team: Account, id_or_alias: str) -> Json | None:
    for item in kit.shelf.all(team.id, THING):
        if id_or_alias in (item["id"], item["alias"]):
            return item
    return None


def _fill(text: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def _values(template: Json, given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise invalid("The `variables` of a template must be an `object`.")
    values = {str(name): str(value) for name, value in given.items()}
    for variable in template["variables"] or ():
        key, fallback = variable.get("key"), variable.get("fallback_value")
        if key in values:
            continue
        if fallback is None:
            raise invalid(f"Missing value for the template variable `{key}`.")
        values[key] = str(fallback)
    return values


def _shown(item: Json) -> Json:
    times = ("published_at", "created_at", "updated_at")
    shown = {**item, **{name: row_stamp(item[name]) for name in times if item[name]}}
    return {**shown, "status": "published" if item["published_at"] else "draft"}


def _told(item: Json, http: int) -> Reply:
    return json_reply(http, {"object": THING, "id": item["id"]})


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/templates", _create),
    ("GET", "/templates", _list),
    ("GET", "/templates/{template}", _get),
    ("PATCH", "/templates/{template}", _update),
    ("DELETE", "/templates/{template}", _remove),
    ("POST", "/templates/{template}/publish", _publish),
    ("POST", "/templates/{template}/duplicate", _duplicate),
)
