"""The pager with every way out of the house: Apprise, PagerDuty, our own mail and text."""

from __future__ import annotations

from collections.abc import Mapping

from mentalspace.engine.apprise_channel import send_by_apprise
from mentalspace.engine.db import Database
from mentalspace.engine.outbound import Client
from mentalspace.engine.pager import Pager
from mentalspace.engine.paging_events import PagingEvents
from mentalspace.engine.services import Services
from mentalspace.workflows.mail_sender import sender_for
from mentalspace.workflows.staff_pages import StaffPages


def pager_for(
    services: Services,
    database: Database,
    client: Client,
    urls: Mapping[str, tuple[str, ...]],
) -> Pager:
    """`urls` are Apprise addresses by target, for whom no schedule covers."""
    settings = services.settings
    events = PagingEvents(client, settings.paging_url, settings.site_url)
    staff = StaffPages(database, services.vault, sender_for(settings), services.clock.now)
    return Pager(
        database,
        services.vault,
        services.runbooks,
        urls,
        settings.site_url,
        {
            "apprise": send_by_apprise,
            "pagerduty": events.send,
            "email": staff.by_mail,
            "sms": staff.by_text,
        },
        events.tell,
    )
