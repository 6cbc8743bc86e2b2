"""Svix's signature, by every secret that is valid."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from mentalspace.emulator.accounts import Account


# source: https://docs.svix.com/receiving/verifying-payloads/how-manual
def signed(account: Account, hook_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """The headers of one try. Raises ValueError for a secret that is no base64."""
    timestamp = str(int(at.timestamp()))
    content = f"{hook_id}.{timestamp}.".encode() + body
    signatures = []
    for secret in account.webhook_secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.digest(key, content, hashlib.sha256)
        signatures.append(f"v1,{base64.b64encode(digest).decode()}")
    return {
        "user-agent": "Svix-Webhooks",
        "svix-id": hook_id,
        "svix-timestamp": timestamp,
        "svix-signature": " ".join(signatures),
    }
