"""The ways to break Supabase Storage from the sandbox's page, beside those of every provider."""

from __future__ import annotations

from typing import Any

from mentalspace.emulator.preset import Preset
from mentalspace.integrations.storage.supabase.sandbox.words import PREFIX


def _refused(name: str) -> dict[str, Any]:
    """Every upload; what is asked or read is answered as ever."""
    return {
        "kind": "status",
        "http": 400,
        "name": name,
        "method": "POST",
        "path": f"{PREFIX}/object/",
    }


BREAKAGES = (
    Preset(
        "key_revoked",
        "Key revoked",
        "Calls every key invalid at the gateway (401), as after a rotation gone wrong.",
        {"kind": "status", "http": 401},
    ),
    Preset(
        "policy_refuses",
        "Policies refuse",
        "Lets no upload through its row-level security (403 in the body, 400 outside).",
        _refused("AccessDenied"),
    ),
    Preset(
        "bucket_gone",
        "Buckets gone",
        "Says of every bucket that it is not there.",
        _refused("NoSuchBucket"),
    ),
    Preset(
        "too_large",
        "Everything too large",
        "Refuses every upload for its size (413 in the body).",
        _refused("EntityTooLarge"),
    ),
    Preset(
        "copies_altered",
        "Copies altered",
        "Takes every document, and keeps it with one bit changed.",
        {"kind": "fate", "name": "altered"},
    ),
    Preset(
        "copies_rot",
        "Copies rot",
        "Takes every document and says its right sum, while one bit of it changes.",
        {"kind": "fate", "name": "rotten"},
    ),
    Preset(
        "copies_lost",
        "Copies lost",
        "Says of every document that it took it, and keeps nothing.",
        {"kind": "fate", "name": "lost"},
    ),
    Preset(
        "database_times_out",
        "Database times out",
        "Answers 544: Storage cannot reach its own database.",
        {"kind": "status", "http": 544},
    ),
    Preset(
        "restricted",
        "Quota used up",
        "Answers 402 to everything, as for a project that is over its quota.",
        {"kind": "status", "http": 402},
    ),
)
