"""An emulator that knows its callers by nothing but what they post: no accounts, no webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.words import Call


class Accountless:
    """The half of `Emulator` that is empty then."""

    options: Mapping[str, Any] = {}

    def furnish(self, hooks_url: str | None) -> None:
        """Nothing: it has no customers."""

    def identify(self, call: Call) -> Account | None:  # noqa: ARG002
        return None

    def idempotency_key(self, call: Call) -> str | None:  # noqa: ARG002
        return None

    def claims(self, call: Call) -> str | None:  # noqa: ARG002
        return None

    def sign(
        self,
        account: Account,  # noqa: ARG002
        hook_id: str,  # noqa: ARG002
        at: datetime,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
    ) -> Mapping[str, str]:
        return {}
