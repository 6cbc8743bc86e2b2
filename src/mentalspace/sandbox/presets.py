"""The ways to break any provider; a provider may have its own, or word one of these itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mentalspace.emulator.preset import Preset
from mentalspace.emulator.role import Breakable, Role

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "down", "Provider down", "Answers 503 to everything.", {"kind": "status", "http": 503}
        ),
        Preset(
            "server_error",
            "Server errors",
            "Answers 500 to everything.",
            {"kind": "status", "http": 500},
        ),
        Preset(
            "slow",
            "Slow",
            "Takes what it is given, and answers five seconds late. All arrives, so no incident.",
            {"kind": "latency", "latency_s": 5.0},
        ),
        Preset("silent", "No answer", "Takes nothing and never answers.", {"kind": "hang"}),
        Preset(
            "key_revoked",
            "Key revoked",
            "Calls every key invalid, as after a rotation gone wrong.",
            {"kind": "status", "http": 403},
        ),
        Preset(
            "rate_limited",
            "Rate limited",
            "Answers 429 and asks to wait two seconds.",
            {"kind": "status", "http": 429, "retry_after_s": 2},
        ),
        Preset(
            "answers_lost",
            "Answers lost",
            "Takes what it is given, then resets the connection before answering.",
            {"kind": "reset", "when": "after"},
        ),
        Preset(
            "answers_cut",
            "Answers cut short",
            "Takes what it is given, and ends the connection in the middle of the answer.",
            {"kind": "truncate", "when": "after"},
        ),
        Preset(
            "answers_drip",
            "Answers trickle in",
            "Takes what it is given, and spends half a minute on each answer's body.",
            {"kind": "drip", "latency_s": 30.0},
        ),
        Preset(
            "hooks_twice",
            "Webhooks twice",
            "Sends every webhook again after a second, with the same id.",
            {"kind": "hook_duplicate", "latency_s": 1.0},
        ),
        Preset(
            "hooks_reordered",
            "Webhooks out of order",
            "Tells what happened last first: delivered, then sent.",
            {"kind": "hook_reorder"},
        ),
        Preset(
            "hooks_lost",
            "Webhooks lost",
            "Sends no webhook for what it takes from now on; only asking tells.",
            {"kind": "hook_drop"},
        ),
        Preset(
            "hooks_forged",
            "Webhooks badly signed",
            "Signs its webhooks wrongly until it is healed; they are tried again for a day.",
            {"kind": "hook_bad_signature"},
        ),
    )
}


def presets_of(roles: Iterable[Role]) -> Mapping[str, Preset]:
    """All that can be picked for these, by name; the providers' own at the end."""
    own = (preset for role in roles if isinstance(role, Breakable) for preset in role.breakages)
    return {**PRESETS, **{preset.name: preset for preset in own}}
