"""Removed versions are listed, read and restored, by whoever may, and by nobody else."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.clamd import EICAR
from tests.storage.conftest import PDF, PNG, Surface

BUCKET = "client-documents"
OLD, NEW = PDF + b"first", PDF + b"second"
MISSING, DENIED = ("404", "not_found"), ("403", "Unauthorized")


async def versions(surface: Surface, place: str, who: str = "administrator") -> list[Any]:
    rows: list[Any] = (await surface.call("GET", f"/versions/{place}", who=who)).body
    return rows


async def restored(surface: Surface, version: str, who: str = "administrator") -> Any:
    got = await surface.call("POST", f"/version/{version}/restore", who=who)
    return got.body["Key"] if got.http == 200 else got.told


async def two_versions(surface: Surface, who: str = "front_desk") -> str:
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    assert (await surface.put(place, OLD, who=who)).http == 200
    assert (await surface.put(place, NEW, who=who, x_upsert="true")).http == 200
    return place


async def test_an_old_version_comes_back(surface: Surface) -> None:
    """Listed beside the current one, read by its name, and restored: then the one that it replaced
    is kept in turn, and who added it is who did. Restored while nothing is there, the file is the
    same file again."""
    place = await two_versions(surface)
    current, old = await versions(surface, place)
    assert [(one["current"], one["size"]) for one in (current, old)] == [
        (True, len(NEW)), (False, len(OLD)),
    ]  # fmt: skip
    assert (old["why"], old["removed_by"]) == (
        "replaced", str(surface.who["front_desk"].user_id),
    )  # fmt: skip
    assert (current["id"], old["held"]) == (old["id"], False)
    for version, content in ((old["version"], OLD), (current["version"], NEW)):
        assert (await surface.call("GET", f"/version/{version}")).raw == content
    part = await surface.call("GET", f"/version/{old['version']}", headers={"Range": "bytes=-5"})
    assert (part.http, part.raw) == (206, b"first")
    [_, read, *_] = await surface.entries("document_read")
    assert (read["subject"], read["data"]["version"]) == (old["id"], old["version"])
    assert await restored(surface, old["version"]) == place
    assert (await surface.call("GET", f"/object/{place}")).raw == OLD
    [entry, *_] = await surface.entries("document_restored")
    assert (entry["subject"], entry["data"]["version"]) == (old["id"], old["version"])
    now, newest = await versions(surface, place)
    assert (now["version"], newest["version"]) == (old["version"], current["version"])
    assert now["owner_id"] == str(surface.who["front_desk"].user_id)
    assert await restored(surface, old["version"]) == MISSING
    assert (await surface.call("DELETE", f"/object/{place}")).http == 200
    [gone, *_] = (await surface.call("GET", f"/deleted/{BUCKET}?prefix={surface.alma}/")).body
    assert (gone["name"], gone["version"]) == (place.partition("/")[2], old["version"])
    assert await restored(surface, gone["version"]) == place
    assert (await surface.call("GET", f"/object/{place}")).raw == OLD
    assert (await versions(surface, place))[0]["id"] == old["id"]
    deleted = (await surface.call("GET", f"/deleted/{BUCKET}?prefix={surface.alma}/")).body
    assert place.partition("/")[2] not in [one["name"] for one in deleted]


async def test_versions_follow_their_file(surface: Surface) -> None:
    """After a move they are found by the file's new name, and an old one comes back there, under
    the key of whoever it belongs to now; what lies at the old name meanwhile is let alone. A name
    that another file took finds both files' versions, and gives each back there."""
    place = await two_versions(surface)
    name = place.partition("/")[2]
    moved = {
        "bucketId": BUCKET,
        "sourceKey": name,
        "destinationKey": f"{surface.ben}/{uuid4()}.pdf",
    }
    assert (await surface.call("POST", "/object/move", moved)).http == 200
    await surface.put(place, PNG, content_type="image/png")
    there = f"{BUCKET}/{moved['destinationKey']}"
    _, old = await versions(surface, there)
    assert await restored(surface, old["version"]) == there
    assert (await surface.call("GET", f"/object/{there}")).raw == OLD
    assert (await surface.call("GET", f"/object/{place}")).raw == PNG
    whose = (
        "select k.whose from storage.key k join storage.file f on f.key_id = k.id"
        " where f.version = $1"
    )
    assert await surface.admin.fetchval(whose, old["version"]) == surface.ben
    await surface.call("DELETE", f"/object/{there}")
    [gone, *_] = await versions(surface, there)
    await surface.put(there, NEW)
    assert await restored(surface, gone["version"]) == there
    now, newest = (await versions(surface, there))[:2]
    assert (now["version"], newest["id"], newest["size"]) == (gone["version"], now["id"], len(NEW))


async def test_who_may_not_is_told_as_of_any_file(surface: Surface) -> None:
    """Who may not read the file finds neither its versions nor that there are any, and the policy
    is in the audit; who may read and not replace is refused. A client finds and brings back what
    they sent, and nothing that staff put there."""
    place = await two_versions(surface)
    _, old = await versions(surface, place)
    await surface.call("DELETE", f"/object/{place}")
    version, name = old["version"], place.rpartition("/")[2]
    for who, policy in (("biller", "biller_cards"), ("client", "clients_see_what_they_sent")):
        for way in (
            surface.call("GET", f"/version/{version}", who=who),
            surface.call("POST", f"/version/{version}/restore", who=who),
            surface.call("GET", f"/versions/{place}", who=who),
        ):
            before = len(await surface.entries("document_refused"))
            assert (await way).told == MISSING
            [refused, *rest] = await surface.entries("document_refused")
            assert (len(rest), refused["data"]["policy"]) == (before, policy)
        deleted = (await surface.call("GET", f"/deleted/{BUCKET}", who=who)).body
        assert name not in str(deleted)
    for who in ("mesa", "mesa_client"):
        assert (await surface.call("GET", f"/version/{version}", who=who)).told == MISSING
    for nothing in (str(uuid4()), "..", "x"):
        assert (await surface.call("GET", f"/version/{nothing}")).told[0] == "404"
    own = await two_versions(surface, who="client")
    [_, mine] = await versions(surface, own, who="client")
    assert await restored(surface, mine["version"], who="client") == own
    await surface.call("DELETE", f"/object/{own}")
    await surface.put(own, PNG, who="front_desk", content_type="image/png")
    taken = (await versions(surface, own, who="client"))[1]["version"]
    assert await restored(surface, taken, who="client") == DENIED
    assert (await surface.entries("document_refused"))[0]["data"]["policy"] == "client_adds_own"


async def test_what_is_sealed_stays_so(surface: Surface) -> None:
    """Deleted, a harmful file is kept like any, and is neither read nor restored."""
    await surface.put(f"{BUCKET}/{surface.alma}/{uuid4()}.pdf", PDF + EICAR)
    sealed = (await surface.call("GET", "/sealed")).body[-1]
    assert (await surface.call("DELETE", f"/object/{BUCKET}/{sealed['name']}")).http == 200
    [kept] = await versions(surface, f"{BUCKET}/{sealed['name']}")
    assert kept["checked"] == "infected"
    got = await surface.call("GET", f"/version/{kept['version']}")
    assert got.told == ("403", "Sealed")
    assert await restored(surface, kept["version"]) == ("403", "Sealed")


async def test_a_version_whose_bytes_are_lost_replaces_nothing(surface: Surface) -> None:
    """Nor does one that was purged; whoever restores it is told."""
    place = await two_versions(surface)
    _, old = await versions(surface, place)
    path = surface.shelf.place(surface.lakeside, old["version"])
    content = path.read_bytes()
    path.unlink()
    assert (await restored(surface, old["version"]))[0] == "500"
    path.write_bytes(content)
    assert (await surface.call("GET", f"/object/{place}")).raw == NEW
    assert await surface.expire(place.partition("/")[2]) == 1
    assert await restored(surface, old["version"]) == MISSING
