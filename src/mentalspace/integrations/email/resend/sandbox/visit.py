"""One call of a known customer, and what its handlers read from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call, Reply
from mentalspace.integrations.email.resend.sandbox.errors import Problem, invalid, missing
from mentalspace.integrations.email.resend.sandbox.used import Used
from mentalspace.integrations.email.resend.sandbox.words import Json, option

Handler = Callable[["Visit"], Reply]


@dataclass(frozen=True, slots=True)
class Visit:
    """`team` is whose key the call carries, `key_hash` that key; `args` come from the path;
    `used` counts what the teams have sent, `key_used_at` when each key was seen last."""

    kit: Kit
    call: Call
    team: Account
    key_hash: str
    args: Mapping[str, str]
    used: Used
    key_used_at: Mapping[str, datetime]

    @property
    def now(self) -> datetime:
        return self.kit.clock.now()

    def option(self, name: str) -> Any:
        """The team's own setting, or else the provider's."""
        return option(self.kit, self.team, name)

    def json(self) -> Any:
        """The body; nothing at all reads as an empty object."""
        if not self.call.body.strip():
            return {}
        try:
            return json.loads(self.call.body)
        except (ValueError, RecursionError) as error:
            # How Resend words it is not documented.
            raise Problem(400, "validation_error", "The request body is not valid JSON.") from error

    def fields(self) -> Json:
        """The body, which must be an object."""
        body = self.json()
        if not isinstance(body, dict):
            raise invalid("The request body must be an object.")
        return body

    def query(self, name: str) -> str | None:
        values = parse_qs(self.call.query).get(name)
        return values[-1] if values else None


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A required field. Raises the Problem of a missing one, or of one that is no text."""
    value = fields.get(name)
    if value is None or value == "":
        raise missing(name)
    if not isinstance(value, str):
        raise invalid(f"The `{name}` field must be a `string`.")
    return value


# source: https://resend.com/docs/api-reference/pagination
def page(visit: Visit, items: Sequence[Json], usual: int | None = None) -> Json:
    """A list's answer; `items` come newest first. Without `usual` all are given at once."""
    after, before = visit.query("after"), visit.query("before")
    limit = _limit(visit) or usual
    if after and before:
        raise invalid("The `after` and `before` parameters cannot be used together.")
    ids = [item["id"] for item in items]
    if (cursor := after or before) and cursor not in ids:
        raise invalid("The pagination cursor is not the ID of an item.")
    if after:
        items = items[ids.index(after) + 1 :]
    size = len(items) if limit is None else limit
    if before:
        items = items[: ids.index(before)]
        return _listed(items[-size:] if size else [], has_more=len(items) > size)
    return _listed(items[:size], has_more=len(items) > size)


def _limit(visit: Visit) -> int | None:
    given = visit.query("limit")
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 100:
        raise invalid("The `limit` parameter must be a number between 1 and 100.")
    return int(given)


def _listed(items: Sequence[Json], *, has_more: bool) -> Json:
    return {"object": "list", "has_more": has_more, "data": list(items)}
