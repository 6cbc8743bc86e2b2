"""Which telephone numbers of a calendar file no text can reach, and how their clients are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.integrations.sms.number import NotANumber, normalise
from mentalspace.practice.calendar_file import AppointmentRow
from mentalspace.practice.phone_line import LANDLINE

COLUMN = "client_phone"
_LANDLINE_SAID = "it is a landline, which takes calls and no texts"

# As the file left them: what was learned of a number before counts as well.
_PROBLEMS = """
select external_id, phone_problem as code, email is not null as has_email,
       text_falls_back or 'email' in (reminders_by, changes_by) as wants_mail
  from client where practice_id = $1 and external_id = any ($2) and phone_problem is not null
"""


@dataclass(frozen=True, slots=True)
class NumberNote:
    """A row that landed, though no text can reach its number. `text` says why, `then` what happens
    now; neither quotes the number. `code` is as in a client's `phone_problem`."""

    line: int
    column: str
    code: str
    text: str
    then: str


async def read_number_notes(
    connection: Connection, practice_id: UUID, rows: Iterable[AppointmentRow]
) -> tuple[NumberNote, ...]:
    """One for each client whose number of today is no good, at the line that gave it last."""
    last = {row.client_external_id: row for row in rows if row.client_phone is not None}
    found = await connection.fetch(_PROBLEMS, practice_id, list(last))
    notes = []
    for client in found:
        row = last[client["external_id"]]
        assert row.client_phone is not None
        notes.append(
            number_note(
                row.line,
                row.client_phone.reveal(),
                client["code"],
                has_email=client["has_email"],
                wants_mail=client["wants_mail"],
            )
        )
    return tuple(sorted(notes, key=lambda note: note.line))


def number_note(
    line: int, typed: str, code: str, *, has_email: bool, wants_mail: bool
) -> NumberNote:
    """What is said of one number."""
    return NumberNote(line, COLUMN, code, _text(typed, code), _then(code, has_email, wants_mail))


def _text(typed: str, code: str) -> str:
    if code == LANDLINE:
        return _LANDLINE_SAID
    try:
        normalise(typed)
    except NotANumber as error:
        return str(error)
    return "nobody can dial it"


def _then(code: str, has_email: bool, wants_mail: bool) -> str:
    """`wants_mail`: something goes by mail anyway, or may in a text's place."""
    if has_email and wants_mail:
        told = "the appointment is booked, and the client is told by mail"
    elif has_email:
        told = "the appointment is booked; the client wants no mail in a text's place: call them"
    else:
        told = "the appointment is booked; no mail address is known either: call them"
    cure = "a mobile number" if code == LANDLINE else "the right number"
    return f"{told}. For texts, ask for {cure}, and put it right on the client's page"
