"""What lands is read by nobody before it was looked at, and what is harmful by nobody at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.integrations.storage.check import look_at_waiting, watch_the_scanner
from mentalspace.integrations.storage.desk import desk_of
from tests.clamd import EICAR, Clamd, clamd
from tests.storage.conftest import PDF, PNG, Surface, set_otherwise

BUCKET = "client-documents"
HARMFUL = PDF + EICAR


@pytest.fixture(autouse=True)
async def nothing_sealed(surface: Surface) -> None:
    """What the test before left sealed is deleted, with its bytes."""
    for one in (await surface.call("GET", "/sealed")).body:
        gone = await surface.call("DELETE", f"/object/{one['bucket_id']}/{one['name']}")
        assert gone.http == 200


async def shipped(surface: Surface, kept: str) -> list[tuple[str, str]]:
    """Kind and state of what the ledger has of a file's version."""
    rows = await surface.admin.fetch(
        "select d.kind, d.status from delivery d join storage.file f"
        " on f.version = d.subject_id::text where f.id = $1 order by d.created_at",
        UUID(kept),
    )
    return [(row["kind"], row["status"]) for row in rows]


async def tasks(surface: Surface) -> int:
    found: int = await surface.admin.fetchval(
        "select count(*) from task where topic = 'storage.infected' and client_id = $1",
        surface.alma,
    )
    return found


async def test_a_harmful_upload_is_sealed_and_replaces_nothing(surface: Surface) -> None:
    """Whoever sends it is told; what was there is there, what came lies sealed beside it, for
    nobody to read, and nothing of it leaves; the front desk sees it, and deletes it."""
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    assert (await surface.put(place, who="client")).http == 200
    sent = await surface.put(place, HARMFUL, who="client", x_upsert="true")
    assert (sent.http, sent.told) == (400, ("422", "Harmful"))
    assert (await surface.call("GET", f"/object/{place}", who="client")).raw == PDF
    [sealed] = (await surface.call("GET", "/sealed", who="front_desk")).body
    assert (sealed["scanner"], sealed["finding"]) == ("built-in", "Eicar-Test-File")
    assert sealed["name"].startswith(f"{surface.alma}/sealed-")
    for who in ("client", "administrator", "front_desk", "clinician"):
        got = await surface.call("GET", f"/object/{BUCKET}/{sealed['name']}", who=who)
        assert got.told == ("403", "Sealed"), who
    signed = await surface.call("POST", f"/object/sign/{BUCKET}/{sealed['name']}", {})
    assert (await surface.call("GET", signed.body["signedURL"], who=None)).told[1] == "Sealed"
    guarded = await surface.call(
        "POST", f"/object/sign/{BUCKET}/{sealed['name']}", {"oneTime": True}
    )
    assert (await surface.call("POST", guarded.body["signedURL"], who=None)).told[1] == "Sealed"
    [refused, *_] = await surface.entries("document_link_refused")
    assert (refused["data"]["link"], refused["data"]["why"]) == (guarded.body["id"], "sealed")
    assert [kind for kind, _ in await shipped(surface, sealed["id"])] == ["sealed"]
    [entry, *_] = await surface.entries("document_sealed")
    assert (entry["actor"], entry["subject"]) == ("built-in", sealed["id"])
    assert (await surface.call("GET", "/sealed", who="mesa")).body == []
    gone = await surface.call("DELETE", f"/object/{BUCKET}/{sealed['name']}", who="front_desk")
    assert gone.http == 200
    assert (await surface.call("GET", "/sealed")).body == []


async def test_an_administrator_releases(surface: Surface) -> None:
    """What was found harmful and is not may be read, and its copy leaves, once an administrator
    says so, and nobody else; that is written down."""
    place = f"{BUCKET}/{surface.alma}/form.pdf"
    form = PDF + b"<< /S /JavaScript /JS (calculate()) >>"
    assert (await surface.put(place, form)).told == ("422", "Harmful")
    [sealed] = (await surface.call("GET", "/sealed")).body
    where = f"{BUCKET}/{sealed['name']}"
    for who, said in (("clinician", "403"), ("client", "403"), ("biller", "404")):
        assert (await surface.call("POST", f"/sealed/{where}", who=who)).told[0] == said
    refused = (await surface.entries("document_refused"))[:3]
    assert [(one["data"]["role"], one["data"]["policy"]) for one in refused[1:]] == [
        ("client", "storage.release"),
        ("clinician", "storage.release"),
    ]
    assert refused[0]["data"]["role"] == "biller"
    assert (await surface.call("POST", f"/sealed/{where}")).http == 200
    assert (await surface.call("GET", f"/object/{where}", who="client")).raw == form
    assert await shipped(surface, sealed["id"]) == [
        ("sealed", "cancelled"),
        ("document", "pending"),
    ]
    assert (await surface.entries("document_released"))[0]["subject"] == sealed["id"]
    assert (await surface.call("POST", f"/sealed/{where}")).told == ("404", "not_found")


async def test_a_release_is_of_what_was_seen(surface: Surface) -> None:
    """Another harmful version that took its place meanwhile stays sealed, and nothing is said to
    have been released, or leaves."""
    assert (await surface.put(f"{BUCKET}/{surface.alma}/{uuid4()}.pdf", HARMFUL)).http == 400
    sealed = (await surface.call("GET", "/sealed")).body[-1]
    where, instead = f"{BUCKET}/{sealed['name']}", str(uuid4())
    seen = (await surface.call("GET", f"/object/info/{where}")).body["version"]
    turn = "update storage.file set version = $2 where version = $1"
    state = "select state from storage.scan where version = $1"
    async with surface.admin.transaction():
        await surface.admin.execute(turn, seen, instead)
        await surface.admin.execute(
            "update storage.scan set state = 'infected' where version = $1", instead
        )
        releasing = asyncio.create_task(surface.call("POST", f"/sealed/{where}"))
        await surface.waited_for()
    assert (await releasing).told == ("404", "not_found")
    assert [await surface.admin.fetchval(state, one) for one in (seen, instead)] == ["infected"] * 2
    await surface.admin.execute(turn, instead, seen)
    assert await shipped(surface, sealed["id"]) == [("sealed", "pending")]
    released = [one["subject"] for one in await surface.entries("document_released")]
    assert sealed["id"] not in released
    assert (await surface.call("DELETE", f"/object/{where}")).http == 200


async def test_clamav_decides_where_it_is_set_up(surface: Surface, tmp_path: Path) -> None:
    """In the upload's own request: clean is readable at once, harmful is told at once."""
    async with (
        clamd(str(tmp_path / "c"), Clamd()) as address,
        set_otherwise(surface, clamav=address) as scanned,
    ):
        place = f"{BUCKET}/{surface.alma}/{uuid4()}"
        kept = await scanned.put(f"{place}.png", PNG)
        assert (await scanned.call("GET", f"/object/{place}.png")).raw == PNG
        assert [kind for kind, _ in await shipped(surface, kept.body["Id"])] == ["document"]
        assert (await scanned.put(f"{place}.pdf", HARMFUL)).told == ("422", "Harmful")
        assert (await surface.call("GET", "/sealed")).body[-1]["finding"] == "Eicar-Signature"


async def test_uploads_go_on_while_the_scanner_is_away(surface: Surface, tmp_path: Path) -> None:
    """They are kept, and wait: who may see the file is told that it is being checked, nothing
    leaves, after minutes it is an incident of ours; once the scanner is back, what is clean is read
    and leaves, what is harmful is sealed, and the incident is over."""
    path, escalation = tmp_path / "c", surface.services.runbooks.escalation
    async with set_otherwise(surface, clamav=f"unix:{path}") as scanned:
        desk, folder = desk_of(scanned.services), f"{BUCKET}/{surface.alma}/{uuid4()}"
        ids = {}
        for name, content in (("good", PDF), ("bad", HARMFUL)):
            kept = await scanned.put(f"{folder}-{name}.pdf", content, who="client")
            ids[name] = kept.body["Id"]
        for who in ("client", "administrator"):
            got = await scanned.call("GET", f"/object/{folder}-good.pdf", who=who)
            assert (got.http, got.told) == (400, ("423", "BeingChecked"))
        assert (await scanned.call("GET", f"/object/info/{folder}-good.pdf")).http == 200
        before = len(await surface.entries("document_read"))
        assert await shipped(surface, ids["good"]) == []
        assert await look_at_waiting(desk) == 0
        await watch_the_scanner(desk, escalation)
        assert await incidents(surface) == []
        await later(surface, timedelta(minutes=4))
        await watch_the_scanner(desk, escalation)
        assert await incidents(surface) == [("house.scanner_away", False)]
        async with clamd(str(path), Clamd()):
            assert await look_at_waiting(desk) == 2
        await watch_the_scanner(desk, escalation)
        assert await incidents(surface) == [("house.scanner_away", True)]
        assert len(await surface.entries("document_read")) == before
        assert (await scanned.call("GET", f"/object/{folder}-good.pdf", who="client")).raw == PDF
        bad = await scanned.call("GET", f"/object/{folder}-bad.pdf", who="client")
        assert bad.told == ("403", "Sealed")
        assert [kind for kind, _ in await shipped(surface, ids["good"])] == ["document"]
        assert [kind for kind, _ in await shipped(surface, ids["bad"])] == ["sealed"]


async def test_what_is_too_long_for_the_scanner_is_a_persons(
    surface: Surface, tmp_path: Path
) -> None:
    """It waits unread, the front desk is asked once, and it is no incident: the scanner is there.
    Once that takes longer files, it is looked at."""
    server, before = Clamd(longest=500), await incidents(surface)
    asked = "select count(*) from task where topic = 'storage.too_long_to_check' and client_id = $1"
    async with (
        clamd(str(tmp_path / "c"), server) as address,
        set_otherwise(surface, clamav=address) as scanned,
    ):
        desk, place = desk_of(scanned.services), f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
        assert (await scanned.put(place)).http == 200
        assert await look_at_waiting(desk) == 0
        assert await surface.admin.fetchval(asked, surface.alma) == 1
        assert await look_at_waiting(desk) == 0
        await surface.admin.execute(
            "update task set state = 'done' where client_id = $1", surface.alma
        )
        for longest, settled in ((500, 0), (5000, 1)):
            server.longest = longest
            await surface.admin.execute(
                "update storage.scan set next_at = app.now(),"
                " landed_at = app.now() - interval '1 h' where state = 'waiting'"
            )
            assert await look_at_waiting(desk) == settled
            await watch_the_scanner(desk, surface.services.runbooks.escalation)
        assert await incidents(surface) == before
        assert await surface.admin.fetchval(asked, surface.alma) == 1
        assert (await scanned.call("GET", f"/object/{place}")).raw == PDF


async def test_without_a_provider_the_front_desk_is_asked_all_the_same(surface: Surface) -> None:
    """A practice whose documents live here alone: the task comes without a delivery, once."""
    await surface.admin.execute(
        "update credential set active = false where integration = 'storage' and practice_id = $1",
        surface.lakeside,
    )
    try:
        for _ in range(2):
            sent = await surface.put(f"{BUCKET}/{surface.alma}/{uuid4()}.pdf", HARMFUL)
            assert sent.told == ("422", "Harmful")
        assert await tasks(surface) == 1
    finally:
        await surface.admin.execute(
            "update credential set active = true where integration = 'storage'"
            " and practice_id = $1",
            surface.lakeside,
        )


async def test_what_was_found_is_forgotten_after_its_file(surface: Surface) -> None:
    """An hour after a version landed that is no file's any more and not kept either; of those that
    lie here it stays."""
    places = [f"{BUCKET}/{surface.alma}/{uuid4()}.pdf" for _ in range(2)]
    versions = []
    for place in places:
        await surface.put(place)
        versions.append((await surface.call("GET", f"/object/info/{place}")).body["version"])
    await surface.put(places[0], x_upsert="true")

    async def known() -> list[str]:
        await forget(surface)
        rows = await surface.admin.fetch(
            "select version from storage.scan where version = any ($1)", versions
        )
        return sorted(row["version"] for row in rows)

    await later(surface, timedelta(minutes=61))
    assert await known() == sorted(versions)
    await surface.expire(places[0].partition("/")[2])
    assert await known() == versions[1:]
    assert (await surface.call("GET", f"/object/{places[1]}")).raw == PDF


async def test_nobody_says_what_was_found_in_their_own_file(surface: Surface) -> None:
    """Not even an administrator's own statements change what a scanner said, or release by hand."""
    kept = (await surface.put(f"{BUCKET}/{surface.alma}/{uuid4()}.pdf")).body["Id"]
    claims = surface.who["administrator"].claims()
    for sql in (
        "update storage.scan set state = 'clean'",
        "insert into storage.scan (practice_id, version, file_id) values (app.practice(), 'x', $1)",
        "select storage.take_scans(5)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with surface.services.database.as_user(claims) as connection:
                await connection.execute(sql.replace("$1", f"'{kept}'"))


async def forget(surface: Surface) -> None:
    async with surface.services.database.as_dispatcher() as connection:
        await connection.execute("select storage.forget_old()")


async def incidents(surface: Surface) -> list[tuple[str, bool]]:
    rows = await surface.admin.fetch(
        "select rule_id, recovered_at is not null as over from incident"
        " where rule_id = 'house.scanner_away'"
    )
    return [tuple(row) for row in rows]


async def later(surface: Surface, span: timedelta) -> None:
    async with surface.services.database.as_dispatcher() as connection:
        await connection.fetchval("select app.advance_clock($1)", span)
