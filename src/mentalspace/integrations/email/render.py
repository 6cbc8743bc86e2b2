"""Turns what happened into a mail that may lie on a lock screen."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from mentalspace.integrations.email.invite import invite
from mentalspace.integrations.email.letter import Action, Letter, mail_of
from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.integrations.email.words import word
from mentalspace.practice.saying import spoken
from mentalspace.practice.saying.facts import (
    AccessFacts,
    AccessKind,
    AppointmentFacts,
    AppointmentKind,
    Language,
    Letterhead,
    ReceiptFacts,
    Sender,
)


def appointment_mail(
    kind: AppointmentKind,
    facts: AppointmentFacts,
    to: str,
    sender: Sender,
    must_not_say: tuple[str, ...] = (),
) -> Mail:
    """The mail in the client's zone and language, naming neither the client nor a clinician.

    `must_not_say` are the names of both, as far as they are known, for the lint.

    What changes the calendar brings a calendar file; a reminder brings none, so that reminders
    can travel in batches.
    """
    language = facts.language
    local = facts.starts_at.astimezone(ZoneInfo(facts.timezone))
    when = f"{spoken.day_and_year(local, language)}, {spoken.hour(local, language)}"
    contact = "again" if kind == "cancelled" else "contact"
    letter = Letter(
        language=language,
        practice_name=facts.practice_name,
        practice_phone=facts.practice_phone,
        subject=word(f"{kind}.subject", language, day=spoken.day(local, language)),
        preheader=word(f"{kind}.preheader", language),
        heading=word(f"{kind}.heading", language),
        intro=word(f"{kind}.intro", language),
        facts=(
            (word("when", language), when),
            (word("length", language), word("minutes", language, number=facts.duration_min)),
            (word("with", language), facts.practice_name),
        ),
        note="" if kind == "cancelled" else facts.note,
        actions=() if kind == "cancelled" else _answers(facts),
        outro=(*_further(kind, facts), _contact(contact, facts.practice_phone, language)),
        is_off=kind == "cancelled",
    )
    return mail_of(
        letter,
        kind="reminder" if kind == "reminder" else f"appointment_{kind}",
        to=to,
        sender=sender,
        attachments=_invites(kind, facts, to, sender),
        must_not_say=must_not_say,
    )


def access_mail(
    kind: AccessKind, facts: AccessFacts, letterhead: Letterhead, to: str, sender: Sender
) -> Mail:
    """A single-use link: to choose a new password, or to enter the portal for the first time."""
    language = letterhead.language
    letter = Letter(
        language=language,
        practice_name=letterhead.practice_name,
        practice_phone=letterhead.practice_phone,
        subject=word(f"{kind}.subject", language),
        preheader=word(f"{kind}.preheader", language),
        heading=word(f"{kind}.heading", language),
        intro=word(f"{kind}.intro", language),
        actions=(Action(word(f"{kind}.action", language), facts.url),),
        outro=(
            word(f"{kind}.outro", language),
            _contact("questions", letterhead.practice_phone, language),
        ),
    )
    return mail_of(letter, kind=kind, to=to, sender=sender)


def receipt_mail(facts: ReceiptFacts, letterhead: Letterhead, to: str, sender: Sender) -> Mail:
    """What was paid and when; for what is between the client and the practice."""
    language = letterhead.language
    letter = Letter(
        language=language,
        practice_name=letterhead.practice_name,
        practice_phone=letterhead.practice_phone,
        subject=word("receipt.subject", language),
        preheader=word("receipt.preheader", language),
        heading=word("receipt.heading", language),
        intro=word("receipt.intro", language),
        facts=(
            (word("receipt.amount", language), spoken.money(facts.amount_cents, facts.currency)),
            (word("receipt.date", language), spoken.day_and_year(facts.date, language)),
            (word("receipt.reference", language), facts.reference),
            (word("with", language), letterhead.practice_name),
        ),
        outro=(_contact("questions", letterhead.practice_phone, language),),
    )
    mail = mail_of(letter, kind="receipt", to=to, sender=sender)
    return replace(mail, may_say=(*mail.may_say, facts.reference))


def _answers(facts: AppointmentFacts) -> tuple[Action, ...]:
    if facts.links is None:
        return ()
    return (
        Action(word("confirm", facts.language), facts.links.confirm_url),
        Action(word("cancel", facts.language), facts.links.cancel_url, main=False),
    )


def _further(kind: AppointmentKind, facts: AppointmentFacts) -> tuple[str, ...]:
    if facts.further == 0 or kind not in ("created", "cancelled"):
        return ()
    return (word(f"{kind}.further", facts.language, number=facts.further),)


def _contact(about: str, phone: str | None, language: Language) -> str:
    if phone:
        return word(f"{about}.phone", language, phone=spoken.unbroken(phone))
    return word(f"{about}.answer", language)


def _invites(
    kind: AppointmentKind, facts: AppointmentFacts, to: str, sender: Sender
) -> tuple[Attachment, ...]:
    match kind:
        case "created" | "updated":
            return (invite("REQUEST", facts, to, sender),)
        case "cancelled":
            return (invite("CANCEL", facts, to, sender),)
        case "reminder":
            return ()
