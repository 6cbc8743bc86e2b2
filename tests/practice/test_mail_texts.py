"""The practice's own line: kept if it gives nobody away, and shown in each language's mails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from mentalspace.workflows.appointments import book
from mentalspace.workflows.mail_texts import read_notes, save_note
from tests.house import new_appointment
from tests.practice.office import Office

AT = datetime(2030, 7, 4, 15, 30, tzinfo=UTC)


async def test_a_line_stands_in_the_mails_of_its_language(office: Office) -> None:
    """Each client reads the line in their language, in both parts; the other stays out."""
    assert await save_note(office.services, office.claims, "en", " Park behind\n the house. ") == []
    assert await save_note(office.services, office.claims, "es", "Estacione detrás.") == []
    for number, language in enumerate(("en", "es-MX")):
        new = new_appointment(f"c{number}@demo.example", AT, f"a-{number}")
        await book(office.services, office.claims, replace(new, client_language=language))
    said = {mail.to: mail.text + mail.html for mail in await office.written()}
    assert said["c0@demo.example"].count("Park behind the house.") == 2
    assert said["c1@demo.example"].count("Estacione detrás.") == 2
    assert "Park" not in said["c1@demo.example"]
    actions = await office.fetch("select action, data from audit order by id")
    assert [row["data"] for row in actions] == [{"language": "en"}, {"language": "es"}]


async def test_a_line_that_gives_away_is_not_kept(office: Office) -> None:
    """What is found comes back with its cure, and the line before stays."""
    await save_note(office.services, office.claims, "en", "Park behind the house.")
    [finding] = await save_note(office.services, office.claims, "en", "Before your therapy, rest.")
    assert (finding.rule, finding.found) == ("clinical_word", "therapy")
    assert await read_notes(office.services, office.claims) == {"en": "Park behind the house."}
    with pytest.raises(ValueError, match="300"):
        await save_note(office.services, office.claims, "en", "x" * 301)


async def test_what_the_guard_will_refuse_meets_it_at_once(
    office: Office, admin: asyncpg.Connection[Any]
) -> None:
    """A line that turns out to name the client does not wait for the reminder's day."""
    await admin.execute(
        "insert into practice_text values ($1, 'en', 'Welcome, Testa Person!', app.now(), 'x')",
        office.practice_id,
    )
    await book(office.services, office.claims, new_appointment("c@demo.example", AT, "a-1"))
    assert {finding.rule for mail in await office.written() for finding in mail.findings()} == {
        "name"
    }
    assert await office.fetch("select from delivery where due_at > app.now()") == []
    assert len(await office.fetch("select from delivery")) == 2
