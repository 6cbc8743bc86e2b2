"""Reads a provider's public status page, in the shape that most of them have."""

from __future__ import annotations

import json
from dataclasses import dataclass

from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.integration import Http

_LONGEST = 120


@dataclass(frozen=True, slots=True)
class StatusSaid:
    """`indicator` is none, minor, major, critical or maintenance; None if it was not readable,
    and then `problem` says why."""

    indicator: str | None
    description: str | None
    problem: str | None = None

    @property
    def is_calm(self) -> bool:
        return self.indicator == "none"


# source: https://metastatuspage.com/api#status
async def read_status_page(http: Http, url: str) -> StatusSaid:
    """What `url` says now. Never raises for what the page does."""
    try:
        answer = await http.request(
            "GET", f"{url.rstrip('/')}/api/v2/status.json", headers={"Accept": "application/json"}
        )
    except (ProviderError, Refused) as error:
        return StatusSaid(None, None, str(error))
    if answer.http != 200:
        return StatusSaid(None, None, f"it answered {answer.http}")
    try:
        status = json.loads(answer.body)["status"]
        return StatusSaid(str(status["indicator"])[:20], _plain(str(status["description"])))
    except (ValueError, KeyError, TypeError):
        return StatusSaid(None, None, "it answered something else than a status")


def _plain(text: str) -> str:
    """Somebody else's words, in one line."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST].strip()
