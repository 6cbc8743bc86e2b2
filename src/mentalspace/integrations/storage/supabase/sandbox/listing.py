"""What a bucket holds: by folder, as the first API lists it, and by cursor, as the second does."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.storage.supabase.sandbox.errors import Problem
from mentalspace.integrations.storage.supabase.sandbox.objects import bucket_of
from mentalspace.integrations.storage.supabase.sandbox.visit import Handler, Visit
from mentalspace.integrations.storage.supabase.sandbox.words import PREFIX, Json

_COLUMNS = ("name", "updated_at", "created_at", "last_accessed_at")
_SHOWN = ("id", "updated_at", "created_at", "last_accessed_at", "metadata")


def _list(visit: Visit) -> Reply:
    """One level of a folder: folders are rows without an id."""
    body = visit.json()
    prefix = _text(body, "prefix")
    folder = f"{prefix.rstrip('/')}/" if prefix.rstrip("/") else ""
    search = _text(body, "search").lower()
    rows: dict[str, Json] = {}
    for row in _seen(visit):
        if not row["name"].startswith(folder):
            continue
        first, slash, _rest = row["name"][len(folder) :].partition("/")
        if not first.lower().startswith(search):
            continue
        told = dict.fromkeys(_SHOWN) if slash else {name: row[name] for name in _SHOWN}
        rows[first + slash] = {"name": first, **told}
    found = sorted(rows.values(), **_order(body))
    start, most = _whole(body, "offset", 0), _whole(body, "limit", 100)
    return json_reply(200, found[start : start + most])


def _list_v2(visit: Visit) -> Reply:
    """All below a prefix, page by page; with a delimiter, its folders by themselves."""
    body = visit.json()
    prefix, delimited = _text(body, "prefix"), body.get("with_delimiter") is True
    entries: dict[str, Json | None] = {}
    for row in _seen(visit):
        if not row["name"].startswith(prefix):
            continue
        inner, slash, _rest = row["name"][len(prefix) :].partition("/")
        if delimited and slash:
            entries.setdefault(f"{prefix}{inner}/", None)
        else:
            entries[row["name"]] = row
    descending = (body.get("sortBy") or {}).get("order") == "desc"
    names = sorted(entries, reverse=descending)
    after = _uncovered(body.get("cursor"))
    if after is not None:
        names = [name for name in names if (name < after if descending else name > after)]
    most = _whole(body, "limit", 1000)
    page, more = names[:most], len(names) > most
    answer: Json = {
        "hasNext": more,
        "folders": [{"key": n, "name": n} for n in page if entries[n] is None],
        "objects": [_shown(one) for n in page if (one := entries[n]) is not None],
    }
    if more:
        answer |= {"nextCursor": _covered(page[-1]), "nextCursorKey": page[-1]}
    return json_reply(200, answer)


def _shown(row: Json) -> Json:
    return {"key": row["name"], "name": row["name"], **{name: row[name] for name in _SHOWN}}


def _seen(visit: Visit) -> list[Json]:
    """What the policies let be seen: nothing is no error."""
    bucket_of(visit)
    if not visit.may("select"):
        return []
    return list(visit.shelves.objects(visit.account, visit.bucket))


def _order(body: Json) -> dict[str, Any]:
    told = body.get("sortBy") or {}
    column = told.get("column") or "name"
    if column not in _COLUMNS:
        raise Problem("InvalidRequest", "body/sortBy/column must be equal to an allowed value")
    key: Callable[[Json], str] = lambda row: row[column] or ""  # noqa: E731
    return {"key": key, "reverse": told.get("order") == "desc"}


def _text(body: Json, name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise Problem("InvalidRequest", f"body/{name} must be string")
    return value


def _whole(body: Json, name: str, usual: int) -> int:
    value = body.get(name)
    if value is None:
        return usual
    if not isinstance(value, int) or value < 0:
        raise Problem("InvalidRequest", f"body/{name} must be integer")
    return value


def _covered(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _uncovered(cursor: object) -> str | None:
    if not cursor:
        return None
    try:
        return base64.urlsafe_b64decode(str(cursor)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Problem("InvalidRequest", "invalid cursor") from error


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", f"{PREFIX}/object/list/{{bucket}}", _list),
    ("POST", f"{PREFIX}/object/list-v2/{{bucket}}", _list_v2),
)
