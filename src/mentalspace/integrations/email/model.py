"""What the practice means by a mail; no provider's words."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from email_validator import EmailNotValidError, validate_email

from mentalspace.kernel.errors import Evidence


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one recipient. `kind` is free of PHI; everything else may hold it."""

    sender: str
    reply_to: str
    to: str
    subject: str
    text: str
    html: str
    kind: str

    def to_bytes(self) -> bytes:
        """Frozen form for the ledger: the same mail always gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Mail:
        return cls(**json.loads(raw))


def guard(payload: bytes) -> Evidence | None:
    """What every provider would refuse: an address that cannot be one."""
    try:
        validate_email(
            Mail.from_bytes(payload).to, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError:
        return Evidence("refused_locally", code="invalid_recipient")
    return None
