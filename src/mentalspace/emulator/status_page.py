"""The status pages that providers keep for the public, in the shape most of them have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mentalspace.emulator.clock import VirtualClock
from mentalspace.emulator.journal import Journal, Record

Indicator = Literal["none", "minor", "major", "critical", "maintenance"]

# How a page says each of them, where it is not told otherwise.
DESCRIPTIONS: dict[str, str] = {
    "none": "All Systems Operational",
    "minor": "Partially Degraded Service",
    "major": "Partial System Outage",
    "critical": "Major Service Outage",
    "maintenance": "Service Under Maintenance",
}


@dataclass(frozen=True, slots=True)
class Said:
    indicator: Indicator = "none"
    description: str = DESCRIPTIONS["none"]
    at: str | None = None


class StatusPages:
    """One page for each provider; it says that all is well until it is told otherwise."""

    def __init__(self, journal: Journal, clock: VirtualClock) -> None:
        self._journal = journal
        self._clock = clock
        self._said: dict[tuple[str, str], Said] = {}
        journal.on("status_page", self._apply)

    def says(self, room: str, provider: str) -> Said:
        return self._said.get((room, provider), Said())

    def say(
        self, room: str, provider: str, indicator: Indicator, description: str | None = None
    ) -> Said:
        """Put a statement on the page; `none` takes the last one off."""
        self._journal.emit(
            "status_page",
            room=room,
            provider=provider,
            indicator=indicator,
            description=description or DESCRIPTIONS[indicator],
            at=self._clock.now().isoformat(),
        )
        return self.says(room, provider)

    # source: https://metastatuspage.com/api#status
    def document(self, room: str, provider: str, title: str, url: str) -> dict[str, Any]:
        """What `/api/v2/status.json` of the page answers."""
        said = self.says(room, provider)
        return {
            "page": {
                "id": f"{room}-{provider}",
                "name": title,
                "url": url,
                "time_zone": "Etc/UTC",
                "updated_at": said.at or self._clock.now().isoformat(),
            },
            "status": {"indicator": said.indicator, "description": said.description},
        }

    def _apply(self, record: Record) -> None:
        self._said[record["room"], record["provider"]] = Said(
            record["indicator"], record["description"], record["at"]
        )
