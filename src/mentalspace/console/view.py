"""The templates, and how they write times, states and people's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup, escape

from mentalspace.console import words
from mentalspace.console.web_files import WebFiles
from mentalspace.engine.services import Services
from mentalspace.kernel.case import Severity
from mentalspace.workflows.impact import together_words
from mentalspace.workflows.impact.together import named


class Templates:
    """Jinja2 with autoescape; a name a page forgot is an error, not an empty place."""

    def __init__(self, services: Services, web: WebFiles) -> None:
        self._rooms = services.rooms
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("mentalspace.console", "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._environment.globals.update(
            web=web.url,
            words=words,
            status=self._status,
            provider_title=self.provider_title,
            room_title=self.room_title,
            unreached=lambda room: _overview(services, room, "unreached") or "not reached",
            meanwhile=lambda room: _overview(services, room, "meanwhile"),
            case_title=lambda case_id: _case_title(services, case_id),
            case_now=lambda case_id, c: _case_now(services, self.provider_title, case_id, c),
            at_once=lambda severity: _at_once(services, severity),
            incident_name=self._incident_name,
            together_words=together_words,
        )
        self._environment.filters.update(
            plain=words.plain,
            span=words.span,
            sentence=words.sentence,
            short_id=_short_id,
            breakable=_breakable,
        )

    def render(self, template: str, frame: Mapping[str, Any], values: Mapping[str, Any]) -> str:
        """`frame` gives the hour and the zone in which times are written."""
        now, zone = frame["now"], frame["zone"]
        tools = {
            "at": lambda moment, **options: _time(moment, now, zone, **options),
            "ago": lambda moment: words.relative(moment, now),
            "hour": lambda moment: f"{moment.astimezone(ZoneInfo(zone)):%H:%M}",
            "at_hour": lambda moment, there: f"{moment.astimezone(ZoneInfo(there)):%H:%M}",
            "local": lambda moment, there, **options: _time(
                moment, now, there, relative=False, **options
            ),
        }
        return self._environment.get_template(template).render({**tools, **values})

    def room_title(self, integration: str) -> str:
        room = self._rooms.get(integration)
        return room.title if room else words.plain(integration)

    def provider_title(self, integration: str, provider: str | None) -> str:
        room = self._rooms.get(integration)
        titles = {p.name: p.title for p in room.providers} if room else {}
        if provider is None:
            return next(iter(titles.values()), "the provider")
        return titles.get(provider, words.plain(provider))

    def _incident_name(self, incident: Any) -> str:
        """Its title with its provider: two may have the same title at the same time."""
        integration, provider = incident["integration"], incident["provider"]
        return named(
            words.title(incident), self.provider_title(integration, provider) if provider else None
        )

    def _status(self, name: str, integration: str, provider: str | None = None) -> words.State:
        return words.status(name, self.provider_title(integration, provider), integration)


def _at_once(services: Services, severity: str) -> bool:
    """Whether an incident of this severity leaves no time to acknowledge it: nothing is overdue
    the moment it opens."""
    return services.runbooks.escalation.rung(Severity(severity)).ack_within_s == 0


def _overview(services: Services, room: str, word: str) -> str | None:
    """What its overview says; None of the house, and of a room that is gone."""
    try:
        overview = services.runbooks.room(room).overview
    except LookupError:
        return None
    said: str | None = getattr(overview, word)
    return said


def _case_title(services: Services, case_id: str | None) -> str | None:
    """None for no case, and for one that the runbook has dropped since."""
    try:
        return services.runbooks.case(case_id).title if case_id else None
    except LookupError:
        return None


def _case_now(
    services: Services,
    provider_title: Callable[[str, str | None], str],
    case_id: str | None,
    credential: Any,
) -> str | None:
    """What a person does about a case at that credential, where its page says it in a line."""
    try:
        now = services.runbooks.case(case_id).now if case_id else None
    except LookupError:
        return None
    return now and now.format(
        provider=provider_title(credential["integration"], credential["provider"]),
        practice=credential["practice_name"],
        endpoint=credential["endpoint"],
    )


def _time(
    moment: datetime | None,
    now: datetime,
    zone: str,
    *,
    relative: bool = True,
    day: bool = False,
    seconds: bool = True,
) -> Markup:
    """`03:12:10 UTC · 4 min ago`, with the day unless it is today and nobody asked for it."""
    if moment is None:
        return Markup('<span class="none">never</span>')
    local, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    # Unbreakable inside the day and inside the hour, so that a narrow place breaks between them.
    hour = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    clock = f"{hour}\N{NO-BREAK SPACE}{local.tzname()}"
    if day or local.date() != today.date():
        year = f" {local.year}" if local.year != today.year else ""
        date = f"{local:%a} {local.day} {local:%b}{year},".replace(" ", "\N{NO-BREAK SPACE}")
        clock = f"{date} {clock}"
    tail = Markup(' <span class="ago">{}</span>').format(words.relative(moment, now))
    return Markup('<time datetime="{}">{}</time>{}').format(
        moment.isoformat(), clock, tail if relative else ""
    )


def _breakable(code: str) -> Markup:
    """A code that may break after its dots, dashes and underscores rather than anywhere."""
    escaped = str(escape(code))
    for mark in "._/@":
        escaped = escaped.replace(mark, f"{mark}<wbr>")
    return Markup(escaped)  # noqa: S704 (escaped above)


def _short_id(value: object) -> str:
    """Enough of an id for a person to compare; the link carries the whole."""
    return str(value)[:8]
