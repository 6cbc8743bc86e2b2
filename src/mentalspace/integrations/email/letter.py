"""What every mail is made of, and how it becomes HTML and text that say the same."""

from __future__ import annotations

from dataclasses import dataclass

import jinja2

from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.integrations.email.words import word
from mentalspace.practice.saying.facts import Language, Sender

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("mentalspace.integrations.email", "templates"),
    autoescape=jinja2.select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
)


@dataclass(frozen=True, slots=True)
class Action:
    """A button, which is a link. The `main` one is the colourful one."""

    text: str
    url: str
    main: bool = True


@dataclass(frozen=True, slots=True)
class Letter:
    """The parts of a mail in reading order. `facts` are pairs of name and value.

    `preheader` is what an inbox shows beside the subject: both may lie on a lock screen.
    """

    language: Language
    practice_name: str
    practice_phone: str | None
    subject: str
    preheader: str
    heading: str
    intro: str
    facts: tuple[tuple[str, str], ...] = ()
    note: str = ""
    actions: tuple[Action, ...] = ()
    outro: tuple[str, ...] = ()
    is_off: bool = False  # the first fact no longer holds, and is struck through


def mail_of(
    letter: Letter,
    *,
    kind: str,
    to: str,
    sender: Sender,
    attachments: tuple[Attachment, ...] = (),
    must_not_say: tuple[str, ...] = (),
) -> Mail:
    values = {"letter": letter, "word": lambda key: word(key, letter.language)}
    return Mail(
        sender=sender.address,
        reply_to=sender.reply_to,
        to=to,
        subject=letter.subject,
        text=_TEMPLATES.get_template("letter.txt").render(values),
        html=_TEMPLATES.get_template("letter.html").render(values),
        kind=kind,
        attachments=attachments,
        may_say=tuple(filter(None, (letter.practice_name, letter.practice_phone))),
        must_not_say=must_not_say,
    )
