"""A way to reach somebody of the staff: an address, sealed here or given by a setting."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from mentalspace.engine.db import Connection
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.errors import Refused

Kind = Literal["apprise", "pagerduty", "email", "sms"]
KINDS: tuple[Kind, ...] = get_args(Kind)
PURPOSE = "oncall_contact"
# A setting's address of this scheme is a routing key of PagerDuty's Events API v2.
EVENTS_SCHEME = "pdevents://"

_KEY = re.compile(r"[A-Za-z0-9_-]{32}")


@dataclass(frozen=True, slots=True)
class Channel:
    """`key` is a contact's id, or names a setting's address: `setting:oncall:1`. `label` tells
    people which it is and is no secret; the address is one."""

    key: str
    kind: Kind
    label: str
    address: str = field(repr=False)
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a page says. It names no client; `key` tells repeats of one trouble from another's.

    `severity` is the incident's; a test of the alarm has the lowest.
    """

    title: str
    lines: tuple[str, ...]
    link: str
    key: str
    severity: str
    integration: str
    since: datetime
    is_drill: bool = False
    is_test: bool = False

    @property
    def body(self) -> str:
        return "\n".join((*self.lines, self.link))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message on one channel; `error` is None where it was sent."""

    channel: Channel
    state: Literal["sent", "failed", "left_out"]
    error: str | None


# None once the channel took it; else why not, in words without the address.
Send = Callable[[Channel, Message], Awaitable[str | None]]
Senders = Mapping[Kind, Send]
# Tells a paging service by an earlier page's key that somebody has it, or that it is over.
Tell = Callable[[Channel, str, Literal["acknowledge", "resolve"]], Awaitable[str | None]]


def settings_channels(target: str, addresses: tuple[str, ...]) -> list[Channel]:
    """A target's addresses as the environment gives them."""
    return [
        Channel(
            f"setting:{target}:{number}",
            "pagerduty" if address.startswith(EVENTS_SCHEME) else "apprise",
            f"{target}, address {number} of the settings ({hint_of('apprise', address)})",
            address.removeprefix(EVENTS_SCHEME),
        )
        for number, address in enumerate(addresses, start=1)
    ]


def hint_of(kind: Kind, address: str) -> str:
    """Enough to tell two addresses apart, and nothing that opens either."""
    match kind:
        case "email":
            local, _, domain = address.partition("@")
            return f"{local[:1]}…@{domain}"
        case "sms":
            return f"…{address[-2:]}"
        case "pagerduty":
            return f"key …{address[-3:]}"
        case "apprise":
            return urlsplit(address).scheme or "address"


async def find_channel(
    connection: Connection, vault: Vault, urls: Mapping[str, tuple[str, ...]], key: str
) -> Channel | None:
    """The channel of that key, if it is there still. Runs as the dispatcher."""
    if key.startswith("setting:"):
        target = key.split(":")[1]
        given = settings_channels(target, urls.get(target, ()))
        return next((channel for channel in given if channel.key == key), None)
    person_id = await connection.fetchval(
        "select person_id from oncall_contact where id = $1 and active", UUID(key)
    )
    ways = await channels_of(connection, vault, person_id) if person_id else []
    return next((channel for channel in ways if channel.key == key), None)


async def add_contact(
    connection: Connection, vault: Vault, person_id: UUID, kind: str, address: str
) -> UUID:
    """One more way to reach somebody, after those there are. Raises Refused with what is wrong."""
    if kind not in KINDS:
        raise Refused("no_such_kind", f"kind: use {', '.join(KINDS)}")
    known: Kind = next(each for each in KINDS if each == kind)
    address = _checked(known, address.strip())
    if not await connection.fetchval("select true from oncall_person where id = $1", person_id):
        raise Refused("no_such_person", "there is nobody of that id")
    contact_id = uuid4()
    await connection.execute(
        "insert into oncall_contact (id, person_id, kind, rank, address, hint)"
        " select $1, $2, $3, coalesce(max(rank), 0) + 1, $4, $5 from oncall_contact"
        " where person_id = $2 and active",
        contact_id,
        person_id,
        known,
        vault.seal(contact_id, PURPOSE, address.encode()),
        hint_of(known, address),
    )
    return contact_id


async def remove_contact(connection: Connection, contact_id: UUID) -> bool:
    done = await connection.fetchval(
        "update oncall_contact set active = false, address = null"
        " where id = $1 and active returning true",
        contact_id,
    )
    return bool(done)


async def channels_of(connection: Connection, vault: Vault, person_id: UUID) -> list[Channel]:
    """Somebody's ways, the best first. Runs as the dispatcher, who alone reads an address."""
    rows = await connection.fetch(
        "select c.id, c.kind, c.hint, c.address, p.name from oncall_contact c"
        " join oncall_person p on p.id = c.person_id"
        " where c.person_id = $1 and c.active order by c.rank",
        person_id,
    )
    return [
        Channel(
            str(row["id"]),
            row["kind"],
            f"{row['name']}, {LABELS[row['kind']]} ({row['hint']})",
            vault.open(row["id"], PURPOSE, row["address"]).decode(),
            person_id,
        )
        for row in rows
    ]


LABELS: Mapping[Kind, str] = {
    "apprise": "Apprise",
    "pagerduty": "PagerDuty",
    "email": "our own mail",
    "sms": "our own text",
}


def _checked(kind: Kind, address: str) -> str:
    match kind:
        case "pagerduty":
            if not _KEY.fullmatch(address):
                raise Refused("bad_key", "a routing key has 32 letters and digits")
        case "email":
            local, at, domain = address.partition("@")
            if not (local and at and "." in domain) or " " in address:
                raise Refused("bad_address", "that is not an e-mail address")
        case "sms":
            if not re.fullmatch(r"\+[1-9][0-9]{6,14}", address):
                raise Refused("bad_number", "write the number as +15551234567")
        case "apprise":
            if not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", address):
                raise Refused("bad_address", "give an Apprise address, such as tgram://token/chat")
    return address
