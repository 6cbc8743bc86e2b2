"""Who may do what with whose file: asked of the database itself, and through the surface."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest

from mentalspace.engine.db import Database
from tests.storage.conftest import PDF, Reply, Surface

DOCUMENTS, CARDS, RECORDINGS = "client-documents", "client-insurance-cards", "session-recordings"


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of each kind, by bucket and whose it is; the rows are in the database alone."""

    places: dict[tuple[str, str], str]


@pytest.fixture
async def kept(surface: Surface) -> AsyncIterator[Kept]:
    places = {}
    for whose, practice_id in (
        ("alma", surface.lakeside), ("ben", surface.lakeside), ("mia", surface.mesa),
    ):  # fmt: skip
        for bucket in (DOCUMENTS, CARDS, RECORDINGS):
            name = f"{getattr(surface, whose)}/policy-{uuid4()}.pdf"
            await surface.admin.execute(
                "insert into storage.file (practice_id, bucket_id, name, version, metadata)"
                " values ($1, $2, $3, $4, '{}')",
                practice_id, bucket, name, str(uuid4()),
            )  # fmt: skip
            places[bucket, whose] = name
    yield Kept(places)
    await surface.admin.execute(
        "delete from storage.file where name = any ($1)", list(places.values())
    )


# Who sees which of the files: of Alma, whom the clinician treats, of Ben, and of another practice.
SEES = {
    "administrator": {(DOCUMENTS, "alma"), (DOCUMENTS, "ben"), (CARDS, "alma"), (CARDS, "ben")},
    "front_desk":    {(DOCUMENTS, "alma"), (DOCUMENTS, "ben"), (CARDS, "alma"), (CARDS, "ben")},
    "clinician":     {(DOCUMENTS, "alma"), (CARDS, "alma"), (RECORDINGS, "alma")},
    "biller":        {(CARDS, "alma"), (CARDS, "ben")},
    "client":        {(DOCUMENTS, "alma"), (CARDS, "alma")},
    "oncall":        set(),
    "mesa":          {(DOCUMENTS, "mia"), (CARDS, "mia")},
    "mesa_client":   {(DOCUMENTS, "mia"), (CARDS, "mia")},
}  # fmt: skip
# Who may also change and delete what they see, and put more there.
MAY = {"administrator", "front_desk", "clinician", "biller", "mesa"}


@pytest.mark.parametrize("who", SEES)
async def test_each_role_sees_what_is_theirs(surface: Surface, kept: Kept, who: str) -> None:
    """Of nine files, three of each client, a role sees exactly those of its rule, and may delete
    and rename those alone."""
    names = {name: key for key, name in kept.places.items()}
    claims = surface.who[who].claims()
    async with surface.services.database.as_user(claims) as connection:
        rows = await connection.fetch(
            "select name from storage.file where name = any ($1)", list(names)
        )
    assert {names[row["name"]] for row in rows} == SEES[who]
    changed = await _undone(
        surface.services.database, claims,
        "update storage.file set user_metadata = '{}' where name = any ($1) returning name",
        list(names),
    )  # fmt: skip
    deleted = await _undone(
        surface.services.database, claims,
        "delete from storage.file where name = any ($1) returning name",
        list(names),
    )  # fmt: skip
    expected = SEES[who] if who in MAY else set()
    assert {names[name] for name in changed} == expected
    assert {names[name] for name in deleted} == expected


@pytest.mark.parametrize("who", SEES)
async def test_each_role_puts_files_where_it_may(surface: Surface, who: str) -> None:
    """A file is put where the role reads, into a folder of a client of its practice; a client adds
    to their own."""
    for bucket in (DOCUMENTS, CARDS, RECORDINGS):
        for whose in ("alma", "ben", "mia"):
            allowed = (bucket, whose) in SEES[who]
            name = f"{getattr(surface, whose)}/new-{uuid4()}.pdf"
            assert await _may_add(surface, who, bucket, name) == allowed, (bucket, whose)
    assert not await _may_add(surface, who, DOCUMENTS, "loose.pdf")
    assert not await _may_add(surface, who, DOCUMENTS, f"{uuid4()}/nobody.pdf")
    assert not await _may_add(surface, who, DOCUMENTS, f"{str(surface.alma).upper()}/x.pdf")
    staff = who in ("administrator", "front_desk", "clinician", "biller", "mesa")
    assert await _may_add(surface, who, "test-documents", "loose.pdf") == staff


async def _may_add(surface: Surface, who: str, bucket: str, name: str) -> bool:
    person = surface.who[who]
    try:
        added = await _undone(
            surface.services.database, person.claims(),
            "insert into storage.file (practice_id, bucket_id, name, version, owner_id)"
            " values ($1, $2, $3, $4, $5) returning name",
            person.practice_id or surface.lakeside, bucket, name, str(uuid4()),
            str(person.user_id),
        )  # fmt: skip
    except asyncpg.InsufficientPrivilegeError:
        return False
    return added == [name]


class _Undo(Exception):
    pass


async def _undone(
    database: Database, claims: dict[str, object], sql: str, *values: object
) -> list[str]:
    """The names a statement touched; nothing of it stays."""
    names: list[str] = []
    try:
        async with database.as_user(claims) as connection:
            names = [row["name"] for row in await connection.fetch(sql, *values)]
            raise _Undo
    except _Undo:
        return names


async def test_ten_ways_to_another_clients_file(surface: Surface) -> None:
    """A client who knows where another's file lies gets nothing by any of the ways there are, and
    is told the same as if it were not there."""
    theirs = f"{surface.ben}/secret.pdf"
    assert (await surface.put(f"{DOCUMENTS}/{theirs}")).http == 200
    own = f"{surface.alma}/own.pdf"
    assert (await surface.put(f"{DOCUMENTS}/{own}", who="client")).http == 200
    missing, denied, unfit = ("404", "not_found"), ("403", "Unauthorized"), ("400", "InvalidKey")
    move = {"bucketId": DOCUMENTS, "sourceKey": theirs, "destinationKey": f"{surface.alma}/m.pdf"}
    ways: list[tuple[str, str, object, object]] = [
        ("GET",    f"/object/{DOCUMENTS}/{theirs}", None, missing),
        ("GET",    f"/object/authenticated/{DOCUMENTS}/{theirs}", None, missing),
        ("GET",    f"/object/public/{DOCUMENTS}/{theirs}", None, ("404", "Bucket not found")),
        ("GET",    f"/object/info/{DOCUMENTS}/{theirs}", None, missing),
        ("POST",   f"/object/sign/{DOCUMENTS}/{theirs}", {"expiresIn": 60}, missing),
        ("POST",   "/object/copy", move, missing),
        ("POST",   "/object/move", move, missing),
        ("POST",   f"/object/list/{DOCUMENTS}", {"prefix": str(surface.ben)}, []),
        ("POST",   f"/object/list-v2/{DOCUMENTS}", {"prefix": f"{surface.ben}/"},
                   {"hasNext": False, "folders": [], "objects": []}),
        ("DELETE", f"/object/{DOCUMENTS}/{theirs}", None, missing),
        ("DELETE", f"/object/{DOCUMENTS}", {"prefixes": [theirs]}, []),
        ("GET",    f"/object/{DOCUMENTS}/{surface.alma}/%2e%2e/{theirs}", None, unfit),
        ("POST",   f"/object/sign/{DOCUMENTS}", {"expiresIn": 60, "paths": [theirs]}, None),
    ]  # fmt: skip
    for method, path, body, expected in ways:
        got = await surface.call(method, path, body, who="client")
        assert theirs.encode() not in got.raw or expected is None, path
        if expected is None:
            assert [row["signedURL"] for row in got.body] == [None]
        else:
            assert _seen(got) == expected, path
    over = await surface.put(f"{DOCUMENTS}/{theirs}", who="client", x_upsert="true")
    assert over.told == denied
    moved = {"bucketId": DOCUMENTS, "sourceKey": own, "destinationKey": f"{surface.ben}/mine.pdf"}
    assert (await surface.call("POST", "/object/move", moved, who="client")).told == denied
    assert (await surface.call("DELETE", f"/object/{DOCUMENTS}/{own}", who="client")).told == denied
    assert (await surface.call("GET", f"/object/{DOCUMENTS}/{theirs}")).raw == PDF


def _seen(got: Reply) -> object:
    return got.told if got.http != 200 else got.body


async def test_a_client_replaces_what_they_sent_alone(surface: Surface) -> None:
    """Their own upload, with upsert; not what the front desk put into their folder."""
    mine, desks = f"{DOCUMENTS}/{surface.alma}/up.pdf", f"{DOCUMENTS}/{surface.alma}/desk.pdf"
    await surface.put(mine, who="client")
    await surface.put(desks, who="front_desk")
    assert (await surface.put(mine, who="client", x_upsert="true")).http == 200
    assert (await surface.put(desks, who="client", x_upsert="true")).told[0] == "403"


@pytest.mark.parametrize(
    ("who", "verb", "bucket", "whose", "policy"),
    [
        ("clinician", "select", DOCUMENTS, "ben", "clinician_caseload"),
        ("biller", "select", DOCUMENTS, "alma", "biller_cards"),
        ("client", "delete", DOCUMENTS, "alma", "no policy for client"),
        ("client", "insert", DOCUMENTS, "ben", "client_adds_own"),
        ("administrator", "insert", DOCUMENTS, "mia", "in_a_clients_folder"),
        ("administrator", "select", RECORDINGS, "alma", "administrator_files"),
        ("administrator", "select", DOCUMENTS, "alma", None),
        ("clinician", "select", DOCUMENTS, "nobody", None),
    ],
)
async def test_the_policy_that_refused_is_known(
    surface: Surface, kept: Kept, who: str, verb: str, bucket: str, whose: str, policy: str | None
) -> None:
    """Those who look after this learn which policy stood in the way, or that none did; whoever was
    refused cannot ask, and the transaction goes on as who it was."""
    if verb == "insert":
        name = f"{getattr(surface, whose)}/unmade.pdf"
    else:
        name = kept.places.get((bucket, whose), f"{surface.alma}/not-there.pdf")
    asked = ("select storage.refused_by($1, $2, $3, $4)", surface.who[who].claims(), verb, bucket)
    async with surface.services.database.as_oncall() as connection:
        assert await connection.fetchval(*asked, name) == policy
        assert await connection.fetchval("select app.claims()") == {}
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with surface.services.database.as_user(surface.who[who].claims()) as connection:
            await connection.fetchval(*asked, name)


async def test_the_seeds_queries_run_for_on_call_and_name_nobody(
    surface: Surface, kept: Kept
) -> None:
    """Both queries of the seed run as they stand; files are there, under no name of theirs."""
    async with surface.services.database.as_oncall() as connection:
        buckets = await connection.fetch(
            "SELECT * FROM storage.buckets WHERE name = 'client-documents';"
        )
        objects = await connection.fetch(
            "SELECT * FROM storage.objects WHERE bucket_id = 'client-documents' LIMIT 10;"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("select name from storage.file")
    assert {row["practice_id"] for row in buckets} >= {surface.lakeside, surface.mesa}
    assert all(row["file_size_limit"] == 50_000_000 and not row["public"] for row in buckets)
    assert len(objects) >= 3
    for row in objects:
        assert row["name"].endswith("/***.pdf") or row["name"].startswith("***")
        assert row["user_metadata"] is None


async def test_every_practice_has_its_buckets(surface: Surface) -> None:
    """A new practice has them at once; the one for tests only where the clock moves."""
    made = await surface.admin.fetchval(
        "insert into practice (slug, name, timezone) values ('new', 'New', 'UTC') returning id"
    )
    rows = await surface.admin.fetch(
        "select id, allowed_mime_types from storage.buckets where practice_id = $1 order by id",
        made,
    )
    assert [row["id"] for row in rows] == [
        "client-documents", "client-insurance-cards", "client-signatures", "session-recordings",
        "telehealth-consents", "test-documents",
    ]  # fmt: skip
    assert rows[0]["allowed_mime_types"] == ["application/pdf", "image/jpeg", "image/png"]
    await surface.admin.execute("update app.clock set movable = false")
    try:
        live = await surface.admin.fetchval(
            "insert into practice (slug, name, timezone) values ('live', 'L', 'UTC') returning id"
        )
    finally:
        await surface.admin.execute("update app.clock set movable = true")
    assert not await surface.admin.fetchval(
        "select exists (select from storage.buckets"
        " where practice_id = $1 and id = 'test-documents')",
        live,
    )


async def test_supabases_helpers(surface: Surface) -> None:
    """Policies written for Supabase find its functions, and the transaction's settings."""
    row = await surface.admin.fetchrow(
        "select storage.foldername('a/b/c.tar.gz') as folders, storage.filename('a/b/c.tar.gz'),"
        " storage.extension('a/b/c.tar.gz'), set_config('storage.operation', $1, false)",
        "storage.object.upload",
    )
    assert (row["folders"], row["filename"], row["extension"]) == (["a", "b"], "c.tar.gz", "gz")
    said = await surface.admin.fetchrow(
        "select storage.operation() as now, storage.allow_only_operation('object.upload') as one,"
        " storage.allow_any_operation(array['object.list', 'storage.object.upload']) as any_of,"
        " storage.allow_only_operation('object.list') as other"
    )
    assert tuple(said) == ("storage.object.upload", True, True, False)
    await surface.admin.execute("reset storage.operation")
