"""One webhook on its way: what it says, to whom, and what became of each try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mentalspace.emulator.journal import Record


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at delivering; `http` is None when nobody answered."""

    at: str
    http: int | None


@dataclass(frozen=True, slots=True)
class Hook:
    """One event on its way to one endpoint of an account. `done` is delivered, or given up.

    `message` is the id the receiver sees; a repeated event has another `id` and the same
    `message`. `about` is what it tells of. `endpoint` "" is the account's own address.
    """

    id: str
    message: str
    account: str
    body: str
    due_at: datetime
    event: str = ""
    about: str = ""
    endpoint: str = ""
    tries: tuple[Try, ...] = ()
    done: bool = False
    lost: bool = False  # dropped on purpose: no try was made

    @property
    def last_http(self) -> int | None:
        return self.tries[-1].http if self.tries else None


@dataclass(frozen=True, slots=True)
class News:
    """An event to tell: `id` is what the receiver sees, `about` what it happened to."""

    id: str
    event: str
    body: str
    due_at: datetime
    about: str = ""


def hook_record(hook: Hook) -> Record:
    """For the journal; `hook_of` reads it."""
    fields = {name: getattr(hook, name) for name in Hook.__slots__}
    fields["due_at"] = hook.due_at.isoformat()
    fields["tries"] = [[one.at, one.http] for one in hook.tries]
    return fields


def hook_of(record: Record) -> Hook:
    fields = {name: record[name] for name in Hook.__slots__ if name in record}
    fields["message"] = record.get("message", record["id"])
    fields["due_at"] = datetime.fromisoformat(record["due_at"])
    fields["tries"] = tuple(Try(at, http) for at, http in record.get("tries", ()))
    return Hook(**fields)
