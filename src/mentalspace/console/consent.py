"""What a client's page says of their consent: what holds for each channel, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from mentalspace.console import words
from mentalspace.console.door import Visit
from mentalspace.engine.db import Connection
from mentalspace.practice.consent import LONGEST_NOTE, Channel, Entry
from mentalspace.workflows.client_consent import (
    CHANNELS,
    Consent,
    Standing,
    Told,
    WishNotKept,
    keep_wish,
    read_consent,
)

_CHANNEL: Mapping[str, str] = {"email": "mail", "sms": "texts"}
_SAID: Mapping[str, str] = {
    "agreed": "Agreed to {channel}",
    "opted_out": "Wants no more {channel}",
    "opted_in": "Wants {channel} again",
    "bounced": "The mail bounced: {reason}",
    "complained": "Marked our mail as spam",
    "unreachable": "No more {channel}: {reason}",
    "asked_help": "Asked for help",
    "lifted": "{Channel} may go there again",
}
_HOW: Mapping[str, str] = {
    "keyword": "by a keyword",
    "free_text": "in their own words, by text",
    "provider": "the provider’s answer",
    "webhook": "the provider’s report",
    "check": "our own check",
    "staff": "told to {actor}",
    "client_page": "on a page of ours",
}
_LIFTED_BY_STAFF = "decided by {actor}"
_WISHES: Mapping[str, tuple[Channel, Told]] = {
    f"{channel}_{told}": (channel, told) for channel in CHANNELS for told in ("agreed", "opted_out")
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of the history in words; `note` only for whoever may write such lines."""

    id: int
    tone: str
    text: str
    how: str
    at: datetime
    delivery_id: UUID | None
    note: str | None
    of_today: bool


@dataclass(frozen=True, slots=True)
class Holds:
    """What holds for a channel: a word, since when, and what may be told of it."""

    title: str
    channel: Channel
    tone: str
    text: str
    since: datetime | None
    only_they: bool


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, if it could not be kept."""

    problem: str | None = None
    wish: str = ""
    note: str = ""


async def consent_of(visit: Visit, connection: Connection, client_id: UUID) -> dict[str, Any]:
    """For the template. Raises ClientUnknown."""
    practice_id, may_write = visit.person.practice_id, visit.person.may("consent.write")
    assert practice_id is not None
    consent = await read_consent(connection, visit.services.vault, practice_id, client_id)
    return {
        "holds": [_holds(each) for each in consent.standing],
        "history": _history(consent, with_notes=may_write),
        "may_write": may_write,
        "longest_note": LONGEST_NOTE,
    }


async def keep(visit: Visit, client_id: UUID) -> Form | None:
    """Keep what the form says; None, or why not. Raises ClientUnknown."""
    wish, note = visit.field("wish"), visit.field("consent_note")
    if wish not in _WISHES:
        return Form("Choose what the client told you.", "", note)
    channel, told = _WISHES[wish]
    person = visit.person
    try:
        await keep_wish(
            visit.services, person.claims(), client_id, channel, told, note, person.name
        )
    except WishNotKept as error:
        return Form(words.sentence(str(error)), wish, note)
    return None


def _holds(standing: Standing) -> Holds:
    title = _CHANNEL[standing.channel].capitalize()
    if not standing.has_address:
        text = "no address is known" if standing.channel == "email" else "no number takes them"
        return Holds(title, standing.channel, "idle", text, None, False)
    if standing.kept is not None:
        reason = standing.kept["reason"]
        text = f"not sent: {words.suppression(reason)}"
        since = standing.kept["created_at"]
        only_they = standing.channel == "sms" and reason == "opted_out"
        return Holds(title, standing.channel, "bad", text, since, only_they)
    if standing.said is None:
        return Holds(title, standing.channel, "idle", "nothing was said against them", None, False)
    text = "the client agreed" if standing.said.what == "agreed" else "may be sent again"
    return Holds(title, standing.channel, "ok", text, standing.said.at, False)


def _history(consent: Consent, *, with_notes: bool) -> Sequence[Shown]:
    return [_shown(entry, with_notes=with_notes) for entry in consent.history]


def _shown(entry: Entry, *, with_notes: bool) -> Shown:
    channel = _CHANNEL.get(entry.channel, entry.channel)
    said = _SAID[entry.what].format(
        channel=channel, Channel=channel.capitalize(), reason=words.suppression(entry.reason or "")
    )
    by_staff = entry.what == "lifted" and entry.how == "staff"
    how = (_LIFTED_BY_STAFF if by_staff else _HOW[entry.how]).format(actor=entry.actor)
    tone = {"agreed": "ok", "opted_in": "ok", "lifted": "ok", "asked_help": "idle"}
    return Shown(
        entry.id,
        tone.get(entry.what, "bad"),
        said,
        how,
        entry.at,
        entry.delivery_id,
        entry.note if with_notes else None,
        entry.theirs_today,
    )
