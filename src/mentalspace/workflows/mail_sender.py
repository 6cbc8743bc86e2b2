"""In whose name mails are sent, and where an answer to them goes."""

from __future__ import annotations

from mentalspace.engine.services import Services
from mentalspace.practice.saying.facts import Sender


def sender_of(services: Services) -> Sender:
    environment = services.settings.environment
    return Sender(
        environment.get("EMAIL_FROM") or "noreply@mentalspace.app",
        environment.get("EMAIL_REPLY_TO") or "support@mentalspace.app",
    )
