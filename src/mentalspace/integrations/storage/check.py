"""Looks at what lands before anybody reads it: at once where that is quick, else as it can.

What is found clean is let go to the provider; what is harmful is sealed for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.house_alert import hold
from mentalspace.engine.log import get_logger
from mentalspace.engine.runbook import Escalation
from mentalspace.engine.secrets import SealBroken
from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.disk.reading import Content, FileDamaged
from mentalspace.integrations.storage.document import ON_SHELF, Document
from mentalspace.integrations.storage.lock import keys
from mentalspace.integrations.storage.refusal import BEING_CHECKED, SEALED, Refused
from mentalspace.integrations.storage.scan.verdict import ScannerAway, TooLong, Verdict
from mentalspace.integrations.storage.shipping import ship
from mentalspace.integrations.storage.store import scans
from mentalspace.integrations.storage.store.objects import Stored
from mentalspace.integrations.storage.store.scans import Due
from mentalspace.integrations.storage.stored import stored_content, stored_pieces
from mentalspace.practice.audit import note
from mentalspace.practice.task import ask_front_desk

_AT_A_TIME = 8
_LONGEST_WAIT = timedelta(minutes=1)
# What cannot be read is no matter of a scanner, and a backup may bring it back. For what is too
# long the scanner may be set otherwise.
_UNREADABLE_WAIT = timedelta(hours=1)
_TOPIC = "storage.infected"
_TOO_LONG = "storage.too_long_to_check"
_ASK = (
    "A document that was added was found to be harmful, and is sealed. Ask whoever sent it what it"
    " was, and for a clean one; then delete it, or let an administrator release it."
)
_ASK_SHORTER = (
    "A document that was added is too large for the virus scanner, and nobody can open it. Ask"
    " whoever sent it for a smaller one and delete it, or ask an administrator to let the scanner"
    " take larger files: then it is checked by itself within the hour."
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Landed:
    """A version as its row names it. `metadata` is in Supabase's words."""

    practice_id: UUID
    version: str
    file_id: UUID
    bucket: str
    client_id: UUID | None
    metadata: Mapping[str, Any]

    def document(self, kind: Any = "document", place: str = "") -> Document:
        """By ids alone, for a file's name is a person's own words."""
        return Document(
            kind=kind,
            bucket=self.bucket,
            object_id=str(self.file_id),
            version=self.version,
            size_bytes=self.metadata["size"],
            sha256=self.metadata["eTag"].strip('"'),
            media_type=self.metadata["mimetype"],
            landed=place,
        )


def is_readable(found: Stored) -> bool:
    """Whether it was looked at, and is given to whoever may see it."""
    return found.scanned in ("clean", "released")


def require_checked(found: Stored) -> None:
    """Raises Refused for what nobody may read: not yet, or not at all."""
    if found.scanned == "infected":
        raise Refused(SEALED)
    if not is_readable(found):
        raise Refused(BEING_CHECKED)


async def look_at_once(desk: Desk, content: Content, sha256: str) -> Verdict | None:
    """What is soon found, in an upload's own request; None leaves it to the worker."""
    practice_id = content.practice_id
    pieces = stored_pieces(desk, content, sha256)
    try:
        return await desk.scanner.look(pieces, within_s=desk.scanner.at_once_s)
    except (ScannerAway, TooLong, OSError, FileDamaged) as error:
        log.info("scan_put_off", practice_id=practice_id, reason=type(error).__name__)
        return None


async def settle(desk: Desk, connection: Connection, landed: Landed, verdict: Verdict) -> None:
    """In one transaction: what was found, and what follows from it. Runs as the worker; whoever
    comes second changes nothing."""
    practice_id = landed.practice_id
    if not await scans.settle(connection, practice_id, landed.version, verdict):
        return
    if verdict.is_clean:
        await let_go_out(desk, connection, landed)
        return
    await note(
        connection, verdict.scanner, "document_sealed", practice_id=practice_id,
        subject=landed.file_id, bucket=landed.bucket, finding=verdict.finding or "",
    )  # fmt: skip
    log.warning("document_sealed", practice_id=practice_id, reason=verdict.finding)
    held = await ship(
        connection, desk.vault, practice_id, landed.document("sealed"), client_id=landed.client_id
    )
    if held is None:
        await ask_front_desk(connection, practice_id, _ASK, _TOPIC, client_id=landed.client_id)


async def let_go_out(desk: Desk, connection: Connection, landed: Landed) -> None:
    """A copy of it may leave. Runs as the worker."""
    await ship(
        connection, desk.vault, landed.practice_id, landed.document(place=ON_SHELF),
        client_id=landed.client_id,
    )  # fmt: skip


async def look_at_waiting(desk: Desk) -> int:
    """A few of those that wait; how many were settled. May run in many workers."""
    async with desk.database.as_dispatcher() as connection:
        due = await scans.take(connection, _AT_A_TIME)
    settled = 0
    for one in due:
        settled += await _look(desk, one)
    return settled


async def watch_the_scanner(desk: Desk, escalation: Escalation) -> None:
    """An incident of the house, once files have waited for a scanner for minutes; over with the
    last of them."""
    async with desk.database.as_dispatcher() as connection:
        found = await waiting_in_vain(connection)
        await hold(connection, escalation, "house.scanner_away", found)


async def waiting_in_vain(connection: Connection) -> dict[str, str]:
    """What is to be told of files that wait for a scanner; empty if there is nothing."""
    waiting = await scans.count_overdue(connection)
    return {"clamav": f"Documents wait for a scanner that is away: {waiting}"} if waiting else {}


async def _look(desk: Desk, due: Due) -> bool:
    try:
        size, sha256 = due.metadata["size"], due.metadata["eTag"].strip('"')
        content = await stored_content(desk, due.practice_id, due.version, size)
        verdict = await desk.scanner.look(stored_pieces(desk, content, sha256))
    except ScannerAway:
        wait = min(timedelta(seconds=5 * 2 ** min(due.tries, 4)), _LONGEST_WAIT)
        await _put_off(desk, due, "scanner_away", wait)
        return False
    except TooLong:
        await _ask_for_shorter(desk, due)
        return False
    except (OSError, FileDamaged, keys.NoKey, SealBroken, LookupError, TypeError) as error:
        # A row that says no size, too.
        log.error("scan_unreadable", practice_id=due.practice_id, error=type(error).__name__)
        await _put_off(desk, due, "unreadable", _UNREADABLE_WAIT)
        return False
    landed = Landed(
        due.practice_id, due.version, due.file_id, due.bucket_id, due.client_id, due.metadata
    )
    async with desk.database.as_worker(due.practice_id) as connection:
        await settle(desk, connection, landed, verdict)
    return True


async def _ask_for_shorter(desk: Desk, due: Due) -> None:
    """Of a person, once; the scanner may have been set otherwise meanwhile, and is asked again."""
    log.warning("scan_too_long", practice_id=due.practice_id)
    async with desk.database.as_worker(due.practice_id) as connection:
        is_new = await scans.put_off(
            connection, due.practice_id, due.version, "unreadable", _UNREADABLE_WAIT
        )
        if is_new:
            await ask_front_desk(
                connection, due.practice_id, _ASK_SHORTER, _TOO_LONG, client_id=due.client_id
            )


async def _put_off(desk: Desk, due: Due, trouble: scans.Trouble, wait: timedelta) -> None:
    async with desk.database.as_worker(due.practice_id) as connection:
        await scans.put_off(connection, due.practice_id, due.version, trouble, wait)
