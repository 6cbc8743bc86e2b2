"""One call of a known customer, and what its handlers read from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call, Reply
from mentalspace.integrations.sms.twilio.sandbox.pace import Pace
from mentalspace.integrations.sms.twilio.sandbox.words import option, sid_of

Handler = Callable[["Visit"], Reply]


@dataclass(frozen=True, slots=True)
class Visit:
    """`account` is whose credential the call carries; `args` come from the path."""

    kit: Kit
    call: Call
    account: Account
    args: Mapping[str, str]
    pace: Pace

    @property
    def now(self) -> datetime:
        return self.kit.clock.now()

    @property
    def sid(self) -> str:
        return sid_of(self.account)

    def option(self, name: str) -> Any:
        """The account's own setting, or else the provider's."""
        return option(self.kit, self.account, name)

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.call.body.decode("utf-8", "replace"), keep_blank_values=True)

    def query(self, name: str) -> str | None:
        values = parse_qs(self.call.query).get(name)
        return values[-1] if values else None
