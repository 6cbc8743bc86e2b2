"""A practice's own line in its appointment mails: checked, then kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from mentalspace.engine.services import Services
from mentalspace.practice.audit import note as audit
from mentalspace.practice.saying.facts import Language
from mentalspace.practice.saying.lint import Finding, lint

LONGEST_NOTE = 300

_LETTERHEAD = "select name, phone from practice where id = $1"
_SAVE = """
insert into practice_text (practice_id, language, note, changed_by) values ($1, $2, $3, $4)
on conflict (practice_id, language) do update
   set note = excluded.note, changed_by = excluded.changed_by, changed_at = app.now()
"""


async def read_notes(services: Services, claims: Mapping[str, Any]) -> dict[str, str]:
    """The practice's lines by language; a language without one is missing."""
    async with services.database.as_user(claims) as connection:
        rows = await connection.fetch("select language, note from practice_text")
    return {row["language"]: row["note"] for row in rows}


async def save_note(
    services: Services, claims: Mapping[str, Any], language: Language, note: str
) -> list[Finding]:
    """Keep the line, which holds for mails written from now on; empty takes it away.

    Whatever would give a client away is returned, and then nothing is kept. Raises ValueError
    for a line that is too long.
    """
    note = " ".join(note.split())
    if len(note) > LONGEST_NOTE:
        raise ValueError(f"a line has at most {LONGEST_NOTE} characters")
    practice_id, actor = UUID(str(claims["practice"])), str(claims["sub"])
    async with services.database.as_user(claims) as connection:
        practice = await connection.fetchrow(_LETTERHEAD, practice_id)
        assert practice is not None
        may_say = tuple(filter(None, practice))
        if findings := lint("line", note, lock_screen=False, may_say=may_say):
            return findings
        await connection.execute(_SAVE, practice_id, language, note, actor)
        await audit(
            connection, actor, "mail_text_changed", practice_id=practice_id, language=language
        )
    return []
