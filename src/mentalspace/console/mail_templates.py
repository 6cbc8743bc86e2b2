"""The mail templates page: each mail as a client gets it, the lint's word, the practice's line."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.door import HEADERS, Missing, Visit
from mentalspace.integrations.email.model import Mail
from mentalspace.integrations.email.samples import KINDS, Sample, sample_mails
from mentalspace.practice.saying.clinical_words import REVIEWED
from mentalspace.practice.saying.facts import Language, Letterhead, language_of
from mentalspace.practice.saying.lint import preheader
from mentalspace.workflows.mail_sender import sender_of
from mentalspace.workflows.mail_texts import LONGEST_NOTE, read_notes, save_note

LANGUAGES: Mapping[Language, str] = {"en": "English", "es": "Spanish"}
WIDTHS = {"desk": "Desk", "phone": "Phone"}
SCHEMES = {"light": "Light", "dark": "Dark"}
# Where clients of American practices live and travel, and a zone without a name of its own.
ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Puerto_Rico",
    "America/Mexico_City",
    "Europe/Madrid",
    "America/Sao_Paulo",
)
# A mail may style itself, and that is all it may: no script, no form, nothing from anywhere.
_FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'; sandbox"
)
_DARK = re.compile(r"@media \(prefers-color-scheme: dark\)")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is looked at; whatever an address says wrongly is the first of its kind."""

    kind: str
    language: Language
    zone: str
    width: str
    scheme: str

    @property
    def query(self) -> str:
        return urlencode({name: getattr(self, name) for name in self.__slots__})


async def templates(visit: Visit) -> Response:
    return await _page(visit, done=visit.query("done") == "saved")


async def preview(visit: Visit) -> Response:
    """The mail's own HTML, to be framed by the page and by nothing else."""
    choice = _choice(visit)
    mail = (await _mails(visit, choice))[choice.kind]
    shown = _DARK.sub("@media all" if choice.scheme == "dark" else "@media not all", mail.html)
    shown = shown.replace('content="light dark"', f'content="{choice.scheme}"')
    headers = {**HEADERS, "content-security-policy": _FRAME_POLICY}
    return Response(shown, 200, headers, "text/html; charset=utf-8")


async def save(visit: Visit) -> Response:
    language = next((each for each in LANGUAGES if each == visit.field("language")), None)
    if language is None:
        raise Missing
    note = visit.field("note")
    tried: dict[str, str] = {language: note}
    try:
        findings = await save_note(visit.services, visit.person.claims(), language, note)
    except ValueError:
        problem = f"The line is too long: at most {LONGEST_NOTE} characters."
        return await _page(visit, problem=problem, tried=tried, http=422)
    if findings:
        return await _page(visit, refused=findings, tried=tried, http=422)
    return visit.go(f"/templates?language={language}&done=saved")


async def _page(
    visit: Visit, *, http: int = 200, tried: Mapping[str, str] | None = None, **values: Any
) -> Response:
    choice = _choice(visit)
    mail = (await _mails(visit, choice))[choice.kind]
    notes = await read_notes(visit.services, visit.person.claims())
    common = {"done": False, "problem": None, "refused": ()}
    return await visit.show(
        "mail_templates.html",
        http=http,
        choice=choice,
        kinds={kind: words.kind(kind) for kind in KINDS},
        languages=LANGUAGES,
        zones=[(zone, zone.replace("_", " ")) for zone in ZONES],
        widths=WIDTHS,
        schemes=SCHEMES,
        mail=mail,
        preheader=preheader(mail.html).strip("\u034f\u200c\u00a0"),
        files=[(a.filename, a.content_type, _text(a.content)) for a in mail.attachments],
        findings=mail.findings(),
        words_of=REVIEWED,
        size=len(mail.html.encode()),
        notes={**notes, **(tried or {})},
        longest=LONGEST_NOTE,
        **{**common, **values},
    )


async def _mails(visit: Visit, choice: Choice) -> Mapping[str, Mail]:
    """Of this practice's own name and line, about nobody."""
    async with visit.reading() as connection:
        practice = await connection.fetchrow(
            "select name, phone, app.now() as now from practice where id = $1",
            visit.person.practice_id,
        )
    assert practice is not None
    notes = await read_notes(visit.services, visit.person.claims())
    zone = ZoneInfo(choice.zone)
    day = practice["now"].astimezone(zone) + timedelta(days=3)
    return sample_mails(
        Sample(
            letterhead=Letterhead(practice["name"], practice["phone"], choice.language),
            timezone=choice.zone,
            now=practice["now"],
            starts_at=day.replace(hour=14, minute=30, second=0, microsecond=0),
            sender=sender_of(visit.services),
            site_url=visit.services.settings.site_url,
            note=notes.get(choice.language, ""),
        )
    )


def _choice(visit: Visit) -> Choice:
    def one_of(name: str, known: Any) -> Any:
        given = visit.query(name)
        return given if given in known else next(iter(known))

    return Choice(
        kind=one_of("kind", KINDS),
        language=language_of(visit.query("language") or visit.field("language")),
        zone=one_of("zone", ZONES),
        width=one_of("width", WIDTHS),
        scheme=one_of("scheme", SCHEMES),
    )


def _text(content: str) -> str:
    return base64.b64decode(content).decode()
