"""What the practice means by a mail; no provider's words."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass

from email_validator import EmailNotValidError, validate_email

from mentalspace.kernel.errors import Evidence
from mentalspace.practice.saying.lint import Finding, lint, preheader, visible

_SHOWN = re.compile(r"^(?:SUMMARY|DESCRIPTION|LOCATION|COMMENT)[^:]*:(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a mail. `content` is base64."""

    filename: str
    content_type: str
    content: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `kind` is free of PHI; everything else may hold it.

    A mail with attachments cannot travel in a batch. `may_say` (the practice's name, telephone)
    and `must_not_say` (full names) are for the lint and go nowhere.
    """

    sender: str
    reply_to: str
    to: str
    subject: str
    text: str
    html: str
    kind: str
    attachments: tuple[Attachment, ...] = ()
    may_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """Frozen form for the ledger: the same mail always gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Mail:
        """Whatever `to_bytes` wrote, at any time: mails wait for weeks, across releases."""
        values = json.loads(raw)
        values["attachments"] = tuple(Attachment(**a) for a in values.get("attachments", ()))
        for name in ("may_say", "must_not_say"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def findings(self) -> list[Finding]:
        """What others must not see of it, place by place; each thing once."""
        outside = [
            ("subject", self.subject),
            ("preheader", preheader(self.html)),
            ("tag", self.kind.replace("_", " ")),
        ]
        for attachment in self.attachments:
            outside.append(("file name", attachment.filename))
            outside += [("calendar entry", line) for line in _shown_lines(attachment)]
        inside = [("text", self.text), ("page", visible(self.html))]
        found: dict[tuple[str, str], Finding] = {}
        for places, lock_screen in ((outside, True), (inside, False)):
            for place, said in places:
                for finding in lint(
                    place,
                    said,
                    lock_screen=lock_screen,
                    may_say=self.may_say,
                    must_not_say=self.must_not_say,
                ):
                    found.setdefault((finding.rule, finding.found), finding)
        return list(found.values())


def guard(payload: bytes) -> Evidence | None:
    """What must not leave: a mail to what is no address, or one that gives somebody away."""
    mail = Mail.from_bytes(payload)
    try:
        validate_email(mail.to, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Evidence("refused_locally", code="invalid_recipient")
    return Evidence("refused_locally", code="phi") if mail.findings() else None


def fits_batch(payload: bytes) -> bool:
    """Whether it may travel in one request with others: not with attachments."""
    return not json.loads(payload).get("attachments")


def _shown_lines(attachment: Attachment) -> list[str]:
    """What a calendar shows of an entry to whoever looks at it."""
    if not attachment.content_type.startswith("text/calendar"):
        return []
    text = base64.b64decode(attachment.content).decode().replace("\r\n ", "")
    return _SHOWN.findall(text)
