"""What the practice means by a mail; no provider's words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from email_validator import EmailNotValidError, validate_email

from mentalspace.kernel.errors import Evidence


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a mail. `content` is base64."""

    filename: str
    content_type: str
    content: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `kind` is free of PHI; everything else may hold it.

    A mail with attachments cannot travel in a batch.
    """

    sender: str
    reply_to: str
    to: str
    subject: str
    text: str
    html: str
    kind: str
    attachments: tuple[Attachment, ...] = ()

    def to_bytes(self) -> bytes:
        """Frozen form for the ledger: the same mail always gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Mail:
        """Whatever `to_bytes` wrote, at any time: mails wait for weeks, across releases."""
        values = json.loads(raw)
        attachments = tuple(Attachment(**each) for each in values.pop("attachments", ()))
        return cls(**values, attachments=attachments)


def guard(payload: bytes) -> Evidence | None:
    """What every provider would refuse: an address that cannot be one."""
    try:
        validate_email(
            Mail.from_bytes(payload).to, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return Evidence("refused_locally", code="invalid_recipient")
    return None
