"""What a person sees of the accepted things: which are listed, and what became of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import Hook
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted

SHOWN = 25
TROUBLE = frozenset({"bounced", "complained", "suppressed", "failed", "undelivered"})
WAITING = frozenset(
    ("scheduled", "accepted", "queued", "sending", "sent", "delivery delayed", "canceled")
)
STATES = {"": "All", "waiting": "Scheduled", "trouble": "In trouble"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form above the list asks for; `page` counts from 1."""

    account: str = ""
    to: str = ""
    state: str = ""
    page: int = 1

    def url(self, room_url: str, page: int) -> str:
        fields = {"account": self.account, "to": self.to, "state": self.state}
        given = {name: value for name, value in fields.items() if value}
        return f"{room_url}/mailbox?{urlencode({**given, 'page': page})}"


def wanted(query: Mapping[str, str]) -> Wanted:
    """From a page's address; what makes no sense there is left out."""
    page = query.get("page", "1")
    state = query.get("state", "")
    return Wanted(
        account=query.get("account", ""),
        to=query.get("to", "").strip(),
        state=state if state in STATES else "",
        page=int(page) if page.isascii() and page.isdigit() and 0 < int(page) < 10**6 else 1,
    )


def listed(kit: Kit, room: str, want: Wanted) -> tuple[list[Accepted], int]:
    """One page of what is asked for, newest first, and how many there are in all."""
    found = kit.outbox.items(room=room, account=want.account or None, to=want.to or None)
    if want.state:
        now = kit.clock.now()
        fits = {"waiting": frozenset({"scheduled"}), "trouble": TROUBLE}[want.state]
        found = [item for item in found if state_of(item, now) in fits]
    start = (want.page - 1) * SHOWN
    return found[start : start + SHOWN], len(found)


def state_of(item: Accepted, now: datetime) -> str:
    """The last thing that happened to it, in words."""
    steps = item.so_far(now)
    return steps[-1].kind.rpartition(".")[2].replace("_", " ") if steps else "accepted"


def tone_of(state: str) -> str:
    """How a state is to look: good, bad, or neither."""
    if state in TROUBLE:
        return "bad"
    return "open" if state in WAITING else "good"


def name_of(account: Account) -> str:
    """An account as a person may know it: by where its webhooks go, for its key is a secret."""
    path = urlsplit(account.webhook_url or "").path.strip("/")
    return f"{account.id} ({path})" if path else account.id


def events_of(kit: Kit, item: Accepted) -> list[dict[str, Any]]:
    """What happened and what is ahead, each with the webhooks that tell of it."""
    now = kit.clock.now()
    told: dict[str, list[Hook]] = {}
    for hook in kit.hooks.of(item.id):
        told.setdefault(hook.event, []).append(hook)
    return [
        {
            "name": step.kind.rpartition(".")[2].replace("_", " "),
            "at": step.at,
            "ahead": datetime.fromisoformat(step.at) > now,
            "why": _why(step.details),
            "hooks": [_hook_state(hook) for hook in told.get(step.kind, ())],
        }
        for step in item.steps
    ]


def _why(details: Mapping[str, Any]) -> str:
    """A bounce's or suppression's own words."""
    for found in details.values():
        if isinstance(found, dict):
            kinds = [str(found[part]) for part in ("type", "subType", "reason") if found.get(part)]
            return ": ".join(part for part in (", ".join(kinds), found.get("message")) if part)
    return ""


def _hook_state(hook: Hook) -> str:
    if hook.lost:
        return "lost on purpose"
    tries = f"{len(hook.tries)} tries" if len(hook.tries) > 1 else "1 try"
    if not hook.tries:
        return "on its way"
    answer = "no answer" if hook.last_http is None else f"answered {hook.last_http}"
    ending = "" if hook.done else ", will be tried again"
    return f"{answer}, {tries}{ending}"
