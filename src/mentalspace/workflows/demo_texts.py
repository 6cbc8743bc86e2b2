"""Which of the demo's clients agreed to texts, and what their telephones do with them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.integrations.sms.number import normalise
from mentalspace.kernel.phi import Phi
from mentalspace.practice.appointment import NewAppointment, save_client
from mentalspace.practice.consent import Source, Speaker, write
from mentalspace.workflows.appointment_texts import note_number

# One area and one clock each, round the globe: at any hour some of them may be texted.
ZONES = (
    ("212", "America/New_York"),
    ("312", "America/Chicago"),
    ("303", "America/Denver"),
    ("213", "America/Los_Angeles"),
    ("808", "Pacific/Honolulu"),
    ("671", "Pacific/Guam"),
    ("718", "Europe/Madrid"),  # at home in New York, for this year abroad
    ("917", "Europe/Madrid"),
)
# By a number's last two digits, all of them kept for fiction: 555-0100 to 555-0199. Who is not
# listed here gets their texts, and says nothing.
_FATES = {
    "03": "answer:1",
    "04": "answer:1",
    "06": "30006",  # a landline
    "07": "30003",  # off, or out of reach
    "08": "answer:Is there parking near you?",
}
# One of them all: of two in a hundred the practice's words would be to blame, and an alarm says so.
_LEAVES = {"+12125550105": "stop"}
# By an address of the sandbox's: room and provider.
DEMO_OPTIONS: Mapping[tuple[str, str], Mapping[str, Any]] = MappingProxyType(
    {
        ("sms", "twilio"): {
            "fates": {f"+1???55501{last}": fate for last, fate in _FATES.items()} | _LEAVES
        }
    }
)
AGREED = 10  # of those who share an area

_BY_TEXT = """
update client set reminders_by = 'text', changes_by = 'text', text_agreed_at = app.now()
 where id = $1 and text_agreed_at is null returning id
"""


def phone_of(person: int) -> Phi[str]:
    """Each of the demo's people, by their place among all, has a number of their own."""
    area, _zone = ZONES[person % len(ZONES)]
    return Phi(f"+1 {area} 555 01{_place(person):02}")


def zone_of(person: int) -> str:
    return ZONES[person % len(ZONES)][1]


async def agree_to_texts(
    services: Services, claims: Mapping[str, Any], person: int, new: NewAppointment
) -> None:
    """At their first visit some say that they want texts. What they said later is left alone."""
    if _place(person) >= AGREED:
        return
    practice_id = UUID(str(claims["practice"]))
    async with services.database.as_user(claims) as connection:
        client = await save_client(connection, practice_id, new)
        if await connection.fetchval(_BY_TEXT, client.id) is None:
            return
        assert new.client_phone is not None
        await note_number(connection, client.id, new.client_phone.reveal())
        number = normalise(new.client_phone.reveal()).e164
        key = services.vault.recipient_key(practice_id, number)
        speaker, heard = Speaker(practice_id, "sms", key, client.id), Source("staff", "demo")
        said = "Said so at the first visit: texts, please."
        await write(connection, services.vault, speaker, "agreed", heard, note=said)


def _place(person: int) -> int:
    """Among those who share an area."""
    return person // len(ZONES)
