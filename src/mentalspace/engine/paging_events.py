"""PagerDuty's Events API v2: triggered, acknowledged and resolved there by one key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from mentalspace.engine.channel import Channel, Message
from mentalspace.engine.outbound import Client
from mentalspace.kernel.errors import ProviderError, Refused

Action = Literal["trigger", "acknowledge", "resolve"]

# source: https://developer.pagerduty.com/docs/events-api-v2/trigger-events
SEVERITIES: Mapping[str, str] = MappingProxyType(
    {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
)
LONGEST_SUMMARY = 1024
LONGEST_KEY = 255
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class PagingEvents:
    """`base_url` is PagerDuty's, of the account's region, or a sandbox's."""

    client: Client
    base_url: str
    site_url: str

    async def send(self, channel: Channel, message: Message) -> str | None:
        """Trigger; None once it was taken, else why not. Again with the same key it wakes nobody
        anew while somebody has it. A test is resolved at once."""
        error = await self._post(channel, "trigger", message.key, _trigger(message, self.site_url))
        if error is None and message.is_test:
            error = await self._post(channel, "resolve", message.key, {})
        return error

    async def tell(self, channel: Channel, key: str, action: Action) -> str | None:
        """What became of it here: somebody has it, or it is over."""
        return await self._post(channel, action, key, {})

    async def _post(
        self, channel: Channel, action: Action, key: str, more: Mapping[str, Any]
    ) -> str | None:
        event = {
            "routing_key": channel.address,
            "event_action": action,
            "dedup_key": key[:LONGEST_KEY],
            **more,
        }
        try:
            answer = await self.client.request(
                "POST",
                f"{self.base_url}/v2/enqueue",
                headers={"Content-Type": "application/json"},
                body=json.dumps(event).encode(),
                deadline_s=ANSWER_WITHIN_S,
            )
        except ProviderError as error:
            return f"PagerDuty gave no answer: {error.evidence.kind}"
        except Refused:
            return "PagerDuty is outside, and this is a demo"
        return _meaning(answer.http)


def _meaning(http: int) -> str | None:
    # source: https://developer.pagerduty.com/docs/events-api-v2/overview (response codes)
    match http:
        case 202:
            return None
        case 400:
            return "PagerDuty refused it: is the routing key right?"
        case 429:
            return "PagerDuty takes no more at the moment"
        case _:
            return f"PagerDuty answered {http}"


def _trigger(message: Message, site_url: str) -> dict[str, Any]:
    return {
        "payload": {
            "summary": message.title[:LONGEST_SUMMARY],
            "source": urlsplit(site_url).hostname or "mentalspace",
            "severity": SEVERITIES.get(message.severity, "error"),
            "timestamp": message.since.isoformat(),
            "component": message.integration,
            "group": "mentalspace",
            "custom_details": {"said": list(message.lines)},
        },
        "links": [{"href": message.link, "text": "Open it in MentalSpace"}],
        "client": "MentalSpace",
        "client_url": site_url,
    }
