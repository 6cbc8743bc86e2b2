"""What the practice means by a text; no provider's words."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from mentalspace.integrations.sms.number import NotANumber, normalise
from mentalspace.integrations.sms.segments import count
from mentalspace.kernel.errors import Evidence
from mentalspace.practice.saying.lint import Finding, lint

# source: https://www.twilio.com/docs/api/errors/21617
MOST_CHARACTERS = 1600
# A reminder that has not left by then says something that is nearly over.
USEFUL_S = 4 * 3600


@dataclass(frozen=True, slots=True)
class Text:
    """One text to one number, in E.164. `kind` is free of PHI; everything else may hold it.

    `may_say` (the practice's name and telephone, a one-time code) and `must_not_say` (full names)
    are for the lint and go nowhere. After `useful_s` on its way the carrier need not bring it.
    """

    to: str
    body: str
    kind: str
    language: str
    may_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()
    useful_s: int = USEFUL_S

    def to_bytes(self) -> bytes:
        """Frozen form for the ledger: the same text always gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Text:
        """Whatever `to_bytes` wrote, at any time: texts wait for weeks, across releases."""
        values = json.loads(raw)
        for name in ("may_say", "must_not_say"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def findings(self) -> list[Finding]:
        """What others must not see of it. All of it lies on a lock screen, and yet it must say
        who writes: of what such a screen must not show, the practice's own is left out."""
        read = self.body
        for phrase in filter(None, self.may_say):
            read = re.sub(rf"(?<!\w){re.escape(phrase)}(?!\w)", " · ", read)
        return lint("text", read, lock_screen=True, must_not_say=self.must_not_say)


def guard(payload: bytes) -> Evidence | None:
    """What must not leave: a text to what takes none, one that is no text, or one that gives
    somebody away."""
    text = Text.from_bytes(payload)
    if (code := _wrong(text)) is not None:
        return Evidence("refused_locally", code=code)
    return Evidence("refused_locally", code="phi") if text.findings() else None


def weight(payload: bytes) -> int:
    """The segments that it costs: senders are limited by these."""
    return count(Text.from_bytes(payload).body).segments


def _wrong(text: Text) -> str | None:
    try:
        number = normalise(text.to)
    except NotANumber as error:
        return error.code
    if number.e164 != text.to:
        return "invalid_number"
    if number.kind == "landline":
        return "landline"
    if not text.body.strip():
        return "empty"
    return "too_long" if len(text.body) > MOST_CHARACTERS else None
