"""A pager that shows what it was sent: takes what Apprise's `json://` addresses post."""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.journal import Record
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call, Reply, json_reply
from mentalspace.sandbox.accountless import Accountless

ROOM = "pager"
PROVIDER = "apprise"
KEPT = 1000  # the newest


@dataclass(frozen=True, slots=True)
class Page:
    """One alert to one target. `kind` is info, success, warning or failure."""

    id: str
    target: str
    at: str
    kind: str
    title: str
    message: str


class Pager(Accountless):
    """`POST /{target}`; every target exists."""

    room = ROOM
    provider = PROVIDER
    title = "Pager"

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._pages: deque[Page] = deque(maxlen=KEPT)
        kit.journal.on("page", self._apply)
        kit.journal.compact(["page"], self._snapshot)

    def handle(self, call: Call, account: Account | None) -> Reply:  # noqa: ARG002
        target = call.path.strip("/")
        if call.method != "POST" or not target:
            return json_reply(405, {"error": "post a page to /pager/{target}"})
        try:
            # source: apprise, plugins/custom_json.py: version, title, message, attachments, type
            sent = json.loads(call.body)
            kind, title, message = sent.get("type", "info"), sent["title"], sent["message"]
        except (ValueError, KeyError, AttributeError, TypeError):
            return json_reply(400, {"error": "send Apprise's JSON: title, message and type"})
        page = Page(
            f"pag_{secrets.token_hex(8)}",
            target,
            call.at.isoformat(),
            str(kind),
            str(title),
            str(message),
        )
        self._kit.journal.emit("page", page=_fields(page))
        return json_reply(200, {"id": page.id}, accepted=(page.id,))

    def busy(self, call: Call, account: Account | None) -> Reply:  # noqa: ARG002
        return json_reply(409, {"error": "busy"})

    def fail(self, account: Account | None, fault: Fault) -> Reply:  # noqa: ARG002
        return json_reply(fault.http, {"error": fault.message or "injected"})

    def pages(self, target: str | None = None, limit: int | None = None) -> list[Page]:
        """Newest first."""
        found = [page for page in reversed(self._pages) if target in (None, page.target)]
        return found[:limit]

    def _apply(self, record: Record) -> None:
        self._pages.append(Page(**record["page"]))

    def _snapshot(self) -> Iterable[Record]:
        for page in self._pages:
            yield {"kind": "page", "page": _fields(page)}


def _fields(page: Page) -> Record:
    return {name: getattr(page, name) for name in Page.__slots__}
