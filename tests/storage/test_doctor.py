"""What the doctor says of documents: of one practice its own, and which policy keeps whom out."""

from __future__ import annotations

import pytest

from mentalspace.kernel.errors import Refused
from mentalspace.workflows.doctor import why
from mentalspace.workflows.doctor.files import look_at_files
from tests.storage.conftest import PDF, Surface

BUCKET = "client-documents"

# The other tests' refusals, of the day that the doctor looks at.
_REFUSED = """
select count(*) from audit where action = 'document_refused' and data ->> 'role' = 'biller'
   and practice_id = $1 and at > app.now() - interval '24 hours'
"""


async def test_the_doctor_tells_where_documents_land(surface: Surface) -> None:
    """Buckets with their limits, lost bytes as bad and ours, refusals by role and nobody's name;
    another practice hears nothing of it."""
    place = f"{BUCKET}/{surface.alma}/told.pdf"
    before = await surface.admin.fetchval(_REFUSED, surface.lakeside)
    await surface.put(place, PDF, who="biller")
    await surface.admin.execute(
        "insert into storage.sweep (practice_id, unnamed, lost) values ($1, 1, 2)"
        " on conflict (practice_id, drill) do update set lost = 2, swept_at = app.now()",
        surface.lakeside,
    )
    try:
        found = {f.check: f for f in await look_at_files(surface.services, surface.lakeside)}
        other = {f.check: f for f in await look_at_files(surface.services, surface.mesa)}
    finally:
        await surface.admin.execute("delete from storage.sweep")
    assert (found["sweep"].state, found["sweep"].whose) == ("bad", "ours")
    assert "2 documents have lost their bytes" in found["sweep"].text
    assert found[BUCKET].text.startswith("a file of 50.0 MB, pdf, jpeg, png; ")
    by_role = found["policies"].text.rpartition(": ")[2].split(", ")
    assert f"biller {before + 1}" in by_role
    assert "told.pdf" not in str(found)
    assert other["sweep"].state == "good"
    assert "biller" not in other["policies"].text


async def test_why_somebody_may_not(surface: Surface) -> None:
    """By each of their roles, the policy that would have had to open; nobody is told whether a
    document is there."""
    place = f"{BUCKET}/{surface.ben}/a.pdf"
    [clinician] = await why(surface.services, "clinician@demo.example", "add", place)
    assert (clinician.role, clinician.may) == ("clinician", False)
    assert clinician.because == "the policy clinician_caseload"
    [desk] = await why(surface.services, "FrontDesk@demo.example", "read", place)
    assert (desk.may, desk.because) == (True, "if there is such a document")
    [nowhere] = await why(surface.services, "frontdesk@demo.example", "read", "nothing/a.pdf")
    assert nowhere.because == "the practice has no such bucket"
    [oncall] = await why(surface.services, "oncall@demo.example", "read", place)
    assert not oncall.may
    for wrong in (("nobody@demo.example", "read", place), ("oncall@demo.example", "see", place)):
        with pytest.raises(Refused):
            await why(surface.services, *wrong)
