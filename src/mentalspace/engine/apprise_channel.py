"""Sends a page through Apprise: about a hundred kinds of channel, each by an address."""

from __future__ import annotations

import apprise

from mentalspace.engine.channel import Channel, Message


async def send_by_apprise(channel: Channel, message: Message) -> str | None:
    """None when it went out, else why not, without the address."""
    notifier = apprise.Apprise()
    if not notifier.add(channel.address):
        return "the address is not one Apprise understands"
    sent = await notifier.async_notify(
        title=message.title, body=message.body, notify_type=apprise.NotifyType.FAILURE
    )
    return None if sent else "the channel refused it"
