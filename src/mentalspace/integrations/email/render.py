"""Turns what happened to an appointment into a mail that may lie on a lock screen."""

from __future__ import annotations

from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from mentalspace.integrations.email.facts import AppointmentFacts, AppointmentKind, Sender
from mentalspace.integrations.email.model import Mail

_SUBJECT = {
    "created": "Your appointment on {day}",
    "updated": "Your appointment has moved to {day}",
    "cancelled": "Your appointment on {day} is cancelled",
    "reminder": "Reminder: your appointment on {day}",
}
_LEAD = {
    "created": "Your appointment is booked.",
    "updated": "Your appointment has a new time.",
    "cancelled": "This appointment will not take place.",
    "reminder": "This is a reminder of your appointment.",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{subject}</title>
<meta name="color-scheme" content="light dark"></head>
<body style="font-family:Arial,sans-serif;line-height:1.5;max-width:36em;margin:0 auto">
<p>Hello,</p>
<p>{lead}</p>
<p><strong>{when}</strong><br>{length} minutes, {practice}</p>
<p>{contact}</p>
</body></html>
"""


def appointment_mail(
    kind: AppointmentKind, facts: AppointmentFacts, to: str, sender: Sender
) -> Mail:
    """The mail in the client's zone. Neither subject nor body names the client or a clinician."""
    local = facts.starts_at.astimezone(ZoneInfo(facts.timezone))
    subject = _SUBJECT[kind].format(day=f"{local:%A, %B} {local.day}")
    when = f"{local:%A, %B} {local.day}, {local.year}, {_clock(local)} ({local:%Z})"
    contact = _contact(facts)
    text = (
        f"Hello,\n\n{_LEAD[kind]}\n\n{when}\n{facts.duration_min} minutes, "
        f"{facts.practice_name}\n\n{contact}\n"
    )
    html = _PAGE.format(
        subject=escape(subject),
        lead=_LEAD[kind],
        when=escape(when),
        length=facts.duration_min,
        practice=escape(facts.practice_name),
        contact=escape(contact),
    )
    return Mail(
        sender=sender.address,
        reply_to=sender.reply_to,
        to=to,
        subject=subject,
        text=text,
        html=html,
        kind=f"appointment_{kind}" if kind != "reminder" else "reminder",
    )


def _clock(local: datetime) -> str:
    return f"{local.hour % 12 or 12}:{local:%M} {'AM' if local.hour < 12 else 'PM'}"


def _contact(facts: AppointmentFacts) -> str:
    if facts.practice_phone:
        return f"If this does not suit you, please call us at {facts.practice_phone}."
    return "If this does not suit you, please answer this mail."
