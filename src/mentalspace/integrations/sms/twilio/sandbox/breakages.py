"""The ways to break Twilio from the sandbox's page, beside those that every provider has."""

from __future__ import annotations

from typing import Any

from mentalspace.emulator.preset import Preset
from mentalspace.integrations.sms.twilio.sandbox.words import API_VERSION


def _refused(code: int) -> dict[str, Any]:
    """Every text; what else is asked is answered as ever."""
    path = f"/{API_VERSION}/"
    return {"kind": "status", "name": str(code), "method": "POST", "path": path}


BREAKAGES = (
    Preset(
        "key_revoked",
        "Invalid token",
        "Calls every token wrong (20003), as after a rotation gone wrong.",
        {"kind": "status", "name": "20003"},
    ),
    Preset(
        "hooks_forged",
        "Webhooks badly signed",
        "Signs its webhooks wrongly until it is healed; what was refused is not told again, for"
        " it tries once more only where no connection was made. Only asking tells.",
        {"kind": "hook_bad_signature"},
    ),
    Preset(
        "invalid_number",
        "Invalid numbers",
        "Calls every number invalid (21211).",
        _refused(21211),
    ),
    Preset(
        "unsubscribed",
        "Everybody unsubscribed",
        "Says of everybody that they answered STOP (21610).",
        _refused(21610),
    ),
    Preset(
        "filtered",
        "Carrier filtering",
        "Takes every text, and the carrier holds it back as spam (30007).",
        {"kind": "fate", "name": "30007"},
    ),
    Preset(
        "landline",
        "Landlines",
        "Takes every text, and then finds a landline there (30006).",
        {"kind": "fate", "name": "30006"},
    ),
    Preset(
        "unreachable",
        "Telephones off",
        "Takes every text, and no telephone can be reached (30003).",
        {"kind": "fate", "name": "30003"},
    ),
)
