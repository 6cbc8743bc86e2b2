"""The SMS room's own part of the doctor: may our number text, and will carriers take it?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mentalspace.integrations.sms.sender.expected import KnowsSender
from mentalspace.integrations.sms.sender.judge import judge
from mentalspace.kernel.checkup import Finding
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.integration import Checkup

ASK_WITHIN_S = 5.0


async def examine(checkup: Checkup) -> Sequence[Finding]:
    """Account, sender, registration and answers, as far as the provider tells of them."""
    if not isinstance(checkup.adapter, KnowsSender):
        return []
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            sender = await checkup.adapter.sender()
    except (ProviderError, Refused, TimeoutError):
        # Why it does not answer is the provider check's to say.
        text = f"{checkup.provider_title} does not tell of the account and its number"
        return [Finding("sender", "warning", text)]
    return judge(sender, checkup.provider_title)
