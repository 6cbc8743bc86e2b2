"""The text templates page: each text as it lies on a client's telephone, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import Visit
from mentalspace.console.mail_templates import LANGUAGES
from mentalspace.integrations.sms.model import Text
from mentalspace.integrations.sms.samples import sample_texts
from mentalspace.integrations.sms.segments import Segments, count
from mentalspace.practice.saying.clinical_words import REVIEWED
from mentalspace.practice.saying.facts import Language, Letterhead
from mentalspace.practice.saying.lint import Finding

_FIRST = "Reminder, as the first text to a number"


@dataclass(frozen=True, slots=True)
class Shown:
    """One text in one language; `cost` is None where the runbook knows no price."""

    language: str
    code: Language
    body: str
    size: Segments
    cost: float | None
    findings: list[Finding]


async def text_templates(visit: Visit) -> Response:
    """In both languages side by side, with this practice's own name."""
    rooms = visit.services.runbooks.rooms
    price = next((each.overview.price for each in rooms if each.overview.room == "sms"), None)
    each = price.amount if price else None
    texts = await _texts(visit)
    kinds = next(iter(texts.values()))
    return await visit.show(
        "text_templates.html",
        texts=[
            (
                _FIRST if kind == "first" else words.kind(kind),
                [_shown(code, texts[code][kind], each) for code in LANGUAGES],
            )
            for kind in kinds
        ],
        price=price,
        words_of=REVIEWED,
    )


async def _texts(visit: Visit) -> Mapping[Language, Mapping[str, Text]]:
    async with visit.reading() as connection:
        practice = await connection.fetchrow(
            "select name, phone, timezone, app.now() as now from practice where id = $1",
            visit.person.practice_id,
        )
    assert practice is not None
    day = practice["now"].astimezone(ZoneInfo(practice["timezone"])) + timedelta(days=3)
    return {
        code: sample_texts(
            Letterhead(practice["name"], practice["phone"], code),
            now=practice["now"],
            starts_at=day.replace(hour=14, minute=30, second=0, microsecond=0),
            timezone=practice["timezone"],
            host=urlsplit(visit.services.settings.site_url).hostname or "",
        )
        for code in LANGUAGES
    }


def _shown(code: Language, text: Text, each: float | None) -> Shown:
    size = count(text.body)
    cost = None if each is None else each * size.segments
    return Shown(LANGUAGES[code], code, text.body, size, cost, text.findings())
