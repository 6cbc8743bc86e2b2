"""Everything MentalSpace raises on purpose.

MentalSpaceError
├── SettingsError        a setting is missing or wrong; one line per mistake
├── RunbookError         a runbook file cannot be used; names file and cure
├── NotUp                a command needs the running system
├── Refused              we decline before asking a provider
├── WebhookRefused       a signature, timestamp or body that does not hold
└── ProviderError        a provider answered badly, or not at all; carries Evidence
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mentalspace.kernel.phi import Phi
from mentalspace.kernel.rate import RateLeft

EvidenceKind = Literal[
    "http", "reply", "timeout", "reset", "connect", "malformed", "refused_locally", "event"
]


class MentalSpaceError(Exception):
    """Base of our own errors. Its text says what happened, to what, and what to do next."""


class SettingsError(MentalSpaceError):
    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class RunbookError(MentalSpaceError):
    pass


class NotUp(MentalSpaceError):
    pass


class Refused(MentalSpaceError):
    """We would not do this, in this mode or with this input. `code` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class WebhookRefused(MentalSpaceError):
    """`code` says which check failed: signature, timestamp, header or body."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


# How a conversation ended that had begun: a word of ours, and what was being said, as
# `lost_at_mail`.
Ending = Literal["lost", "silent", "garbled"]
_ENDINGS: Mapping[str, Ending] = {"lost": "lost", "silent": "silent", "garbled": "garbled"}


def left_at(code: str | None) -> tuple[Ending, str] | None:
    """What the code of a `connect` says of a provider that was reached, and left in the middle."""
    ending, parted, stage = (code or "").partition("_at_")
    return (_ENDINGS[ending], stage) if parted and ending in _ENDINGS else None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about a call that did not succeed; the runbook says what it means.

    `kind` is how we know: an HTTP answer; the reply of a provider that speaks another protocol
    (`reply`); no answer before the deadline (`timeout`); the connection broke after we may have
    sent (`reset`); it never opened, or ended before anything was handed over (`connect`); a
    success whose body cannot be read (`malformed`); our own guard (`refused_locally`); or what
    the provider told us later (`event`).
    `http` is the answer's number: the status, or the reply's code. `message` is the provider's
    prose. It may quote an address, so it is PHI; `said` is the known sentence that it is, if it is
    one (see `kernel.said`), and is for anybody.
    """

    kind: EvidenceKind
    http: int | None = None
    code: str | None = None
    message: Phi[str] | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    rate: RateLeft | None = None
    said: str | None = None

    @property
    def answered(self) -> bool:
        """Whether the provider said something: it is there, whatever it thinks of this."""
        return self.kind in ("http", "reply")

    def summary(self) -> str:
        """One PHI-free phrase for a person: `403 invalid_api_key`, `timeout`."""
        if self.kind in ("http", "reply", "malformed") and self.http is not None:
            suffix = " (unreadable)" if self.kind == "malformed" else ""
            return f"{self.http} {self.code or ''}".strip() + suffix
        return f"{self.kind} {self.code or ''}".strip()


class ProviderError(MentalSpaceError):
    def __init__(self, evidence: Evidence) -> None:
        super().__init__(evidence.summary())
        self.evidence = evidence
