"""The form in which a client's address or number is put right, on whichever page it stands."""

from __future__ import annotations

from uuid import UUID

from mentalspace.console import words
from mentalspace.console.door import Missing, Visit
from mentalspace.integrations.sms.number import NotANumber
from mentalspace.kernel.phi import Phi
from mentalspace.practice.calendar_file.field import Mistakes, read_email, read_phone
from mentalspace.workflows.client_reach import Changed, change_reach
from mentalspace.workflows.reminder_rules import ClientUnknown

_SAID = {
    "same": ("warn", "Nothing changed: that is what was there."),
    "saved": ("ok", "Saved. Reminders that wait go there; of what could not be told, call."),
    "no_texts": ("warn", "Saved. The number is a landline: it takes calls, and no texts."),
    "not_an_email": ("bad", "Not saved: an address is like name@example.org, and is one alone."),
    "not_a_phone": ("bad", "Not saved: a number has 7 to 15 digits, such as +1 212 555 0100."),
}


async def keep_reach(visit: Visit, client_id: UUID) -> str:
    """Save what was sent; an empty field leaves what is there. A code for `reach_said`: what became
    of it, or why nothing did. Raises Missing where there is no such client."""
    mistakes = Mistakes(1)
    email = read_email(visit.field("email"), "email", mistakes)
    phone = read_phone(visit.field("phone"), "phone", mistakes)
    if mistakes.found:
        return mistakes.found[0].code
    try:
        changed: Changed = await change_reach(
            visit.services,
            visit.person.claims(),
            client_id,
            Phi(email) if email else None,
            Phi(phone) if phone else None,
        )
    except ClientUnknown as error:
        raise Missing from error
    except NotANumber as error:
        return error.code
    return changed


def reach_said(code: str) -> tuple[str, str] | None:
    """The notice's tone and words; None for what is no such code."""
    if code in words.NUMBER_PROBLEMS:
        return "bad", words.sentence(f"Not saved: the number {words.NUMBER_PROBLEMS[code]}")
    return _SAID.get(code)
