"""A way to break a provider that a person picks from a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Preset:
    """A fault ready to use; what a status says is worded by the provider itself."""

    name: str
    title: str
    explanation: str
    fault: Mapping[str, Any]
