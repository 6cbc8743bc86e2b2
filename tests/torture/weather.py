"""What the provider does to us meanwhile: lost answers always, and something worse by turns."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from mentalspace.engine.services import Services
from mentalspace.workflows.sandbox_keeping import SandboxAway, call_sandbox

# Taken, and then the connection breaks: the outcome is unknown, and it was sent.
LOST_ANSWERS: Mapping[str, Any] = {"kind": "reset", "when": "after", "share": 0.06}

# The same of batches, oftener: there are fewer of them, and each is many mails.
LOST_BATCHES: Mapping[str, Any] = {
    "kind": "reset", "when": "after", "share": 0.4, "path": "/emails/batch",
}  # fmt: skip

# The relay takes one and says nothing: only its log knows, so a person decides.
LOST_BY_RELAY: Mapping[str, Any] = {
    "kind": "reset", "when": "after", "share": 0.06, "provider": "smtp", "path": None,
}  # fmt: skip

# Twilio knows no key: what became of a text is looked for by what it says.
LOST_TEXTS: Mapping[str, Any] = {
    "kind": "reset", "when": "after", "share": 0.06, "room": "sms", "provider": "twilio",
    "method": "POST", "path": None,
}  # fmt: skip

WEATHERS: Mapping[str, Mapping[str, Any] | None] = {
    "lost answers":   None,
    "never answers":  {"kind": "hang", "when": "after", "share": 0.02},
    "garbled":        {"kind": "malformed", "when": "after", "share": 0.1},
    "reset before":   {"kind": "reset", "when": "before", "share": 0.1},
    "500 after":      {"kind": "status", "http": 500, "when": "after", "share": 0.1},
    "503":            {"kind": "status", "http": 503, "share": 0.1},
    "down":           {"kind": "status", "http": 503},
    "429":            {"kind": "status", "http": 429, "retry_after_s": 1, "times": 2},
    "slow":           {"kind": "latency", "latency_s": 1.0, "share": 0.2},
    "cut short":      {"kind": "truncate", "when": "after", "share": 0.1},
    "trickling":      {"kind": "drip", "latency_s": 1.0, "share": 0.2},
    "webhooks twice": {"kind": "hook_duplicate", "latency_s": 0.5, "share": 0.3},
    "webhooks mixed": {"kind": "hook_reorder", "share": 0.3},
}  # fmt: skip


async def change_weather(services: Services, random: Random) -> str:
    """Lift the faults and draw new ones; their name. The old ones stay if the sandbox is away."""
    name = random.choice(list(WEATHERS))
    try:
        await clear(services)
        everywhere = WEATHERS[name]
        texts = {**(everywhere or {}), "room": "sms", "provider": "twilio", "path": None}
        faults = [LOST_BY_RELAY, LOST_ANSWERS, LOST_BATCHES, LOST_TEXTS]
        # The newest that matches wins.
        for fault in [*faults, *([everywhere, texts] if everywhere else [])]:
            body = {"room": "email", "provider": "resend", "path": "/emails", **fault}
            await call_sandbox(services, "POST", "/faults", body)
    except SandboxAway:
        return "as before"
    return name


async def clear(services: Services) -> None:
    await call_sandbox(services, "DELETE", "/faults")
