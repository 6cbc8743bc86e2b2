"""In whose name mails are sent, and where an answer to them goes."""

from __future__ import annotations

from mentalspace.engine.services import Services
from mentalspace.kernel.settings import Settings
from mentalspace.practice.saying.facts import Sender


def sender_of(services: Services) -> Sender:
    return sender_for(services.settings)


def sender_for(settings: Settings) -> Sender:
    environment = settings.environment
    return Sender(
        environment.get("EMAIL_FROM") or "noreply@mentalspace.app",
        environment.get("EMAIL_REPLY_TO") or "support@mentalspace.app",
    )
