"""A mail's frozen form, and what of it goes over the wire."""

from __future__ import annotations

import json
from dataclasses import replace

from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.integrations.email.resend.wire import email_body

FILE = Attachment("appointment.ics", "text/calendar; method=REQUEST", "QkVHSU4=")
PLAIN = Mail("n@mentalspace.app", "s@mentalspace.app", "c@demo.example", "S", "t", "h", "reminder")
WITH_FILE = replace(PLAIN, attachments=(FILE,))


def test_a_frozen_mail_comes_back_whole() -> None:
    """What was frozen is what is sent, attachments included, and the bytes never differ."""
    for mail in (PLAIN, WITH_FILE):
        assert Mail.from_bytes(mail.to_bytes()) == mail
        assert Mail.from_bytes(mail.to_bytes()).to_bytes() == mail.to_bytes()


def test_a_mail_frozen_before_attachments_is_still_read() -> None:
    """A mail that waited since a release without attachments is sent without."""
    values = json.loads(PLAIN.to_bytes())
    del values["attachments"]
    assert Mail.from_bytes(json.dumps(values).encode()) == PLAIN


def test_attachments_go_by_resends_names() -> None:
    """Each file carries name, type and base64 content; a mail without any has no such field."""
    assert "attachments" not in json.loads(email_body(PLAIN))
    assert json.loads(email_body(WITH_FILE))["attachments"] == [
        {
            "filename": "appointment.ics",
            "content_type": "text/calendar; method=REQUEST",
            "content": "QkVHSU4=",
        }
    ]
