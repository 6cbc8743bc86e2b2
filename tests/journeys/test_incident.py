"""An incident through the whole house: what it found when it opened, and what is done about it."""

from __future__ import annotations

from typing import Any

from mentalspace.console.post_mortem import post_mortem, read_told
from mentalspace.engine.document import to_markdown, to_pdf
from mentalspace.engine.remedy import act
from mentalspace.engine.remedy.act import Order
from mentalspace.workflows.evidence import Kept, read_evidence
from tests.house import House, until


async def test_a_broken_key_from_its_evidence_to_its_post_mortem(house: House) -> None:
    """A worker attaches the status page and the queries by itself, once; healed and resumed by a
    button, the mail goes; the post-mortem tells all of it and names nobody."""
    await house.sandbox("POST", "/break/email/resend", {"preset": "key_revoked"})
    booked = await house.book("testa.person@demo.example")
    [incident] = await until(house.incidents)
    kept = await until(lambda: _evidence(house, incident["id"]))
    assert (kept[0].kind, kept[0].problem) == ("status_page", None)
    assert kept[0].description
    queries = [one for one in kept if one.kind == "query"]
    assert queries
    assert [one.problem for one in queries] == [None] * len(queries)
    assert any(one.rows for one in queries)
    await house.sandbox("DELETE", "/faults")
    async with house.services.database.as_oncall() as connection:
        done = await act(connection, incident["id"], "resume", Order("noor", "", None))
    assert done.count == 2
    await until(lambda: _delivered(house))
    assert await _evidence(house, incident["id"]) == kept
    document = post_mortem(await read_told(house.services, incident["id"]))
    text = to_markdown(document)
    assert "Resume the lanes" in text
    assert "email.unauthorized" in text
    assert queries[0].title in text
    assert to_pdf(document).startswith(b"%PDF-")
    assert "testa" not in text.lower()
    assert str(booked.appointment_id) not in text


async def _evidence(house: House, incident_id: Any) -> list[Kept]:
    async with house.services.database.as_oncall() as connection:
        return await read_evidence(connection, incident_id)


async def _delivered(house: House) -> bool:
    return all(row["status"] == "delivered" for row in await house.deliveries())
