"""Links that can be ended: for one use, for one person or role, listed, revoked, written down."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from mentalspace.practice.identity import create_user, open_client_session
from tests.storage.conftest import PDF, PNG, Reply, Surface, set_otherwise

BUCKET = "client-documents"


async def place_of(surface: Surface) -> str:
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    assert (await surface.put(place)).http == 200
    return place


async def signed(surface: Surface, place: str, who: str = "administrator", **body: Any) -> Any:
    got = await surface.call("POST", f"/object/sign/{place}", {"expiresIn": 60, **body}, who=who)
    assert got.http == 200, got.raw
    return got.body


async def use(surface: Surface, made: Any, who: str | None = None, **headers: str) -> Reply:
    return await surface.call("POST", made["signedURL"], who=who, headers=headers)


async def test_a_link_for_one_use_is_used_once(surface: Surface) -> None:
    """Of ten who come at once with a link for one use, one gets the whole file, of which nobody
    keeps a copy; the others are told that it has had its use."""
    made = await signed(surface, await place_of(surface), oneTime=True)
    got = await asyncio.gather(*(use(surface, made, Range="bytes=0-3") for _ in range(10)))
    [given] = [one for one in got if one.http == 200]
    assert (given.raw, given.headers["cache-control"]) == (PDF, "no-store")
    assert [one.told for one in got if one is not given] == [("410", "LinkEnded")] * 9
    entries = await surface.entries("document_read")
    assert [one["data"].get("link") for one in entries].count(made["id"]) == 1
    refused = await surface.entries("document_link_refused")
    assert {one["data"]["why"] for one in refused if one["data"]["link"] == made["id"]} == {"used"}


async def test_looking_uses_nothing_and_a_lost_file_neither(surface: Surface) -> None:
    """A scanner that opens the link, by its page or as Supabase's, uses nothing up; nor does a disk
    that fails. The address names nothing."""
    place = await place_of(surface)
    made = await signed(surface, place, oneTime=True)
    token = made["signedURL"].partition("token=")[2]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims.keys() == {"scope", "practice", "iat", "exp", "jti"}
    for address in (f"{surface.base}{made['signedURL']}", f"{surface.url}/d/{token}"):
        async with surface.http.get(address, headers={"Accept": "*/*"}) as answer:
            page = await answer.text()
    assert "opens once" in page
    plain = await surface.call("GET", f"/object/sign/{place}?token={token}", who=None)
    assert plain.told == ("400", "InvalidSignature")
    version = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    path = surface.shelf.place(surface.lakeside, version)
    path.rename(path.with_name("aside"))
    async with set_otherwise(surface) as small, asyncio.timeout(10):  # ten for four connections
        lost = await asyncio.gather(*(use(small, made) for _ in range(10)))
    assert {one.told for one in lost} == {("500", "internal")}
    refused = [one["data"] for one in await surface.entries("document_link_refused")]
    assert [one["why"] for one in refused if one["link"] == made["id"]] == ["not_stored"] * 10
    path.with_name("aside").rename(path)
    assert (await use(surface, made)).raw == PDF


@pytest.mark.parametrize(
    ("audience", "opens_for"),
    [
        ({"role": "biller"}, {"biller"}),
        ({"role": "front_desk"}, {"front_desk"}),
        ("clinician", {"clinician"}),
    ],
)
async def test_a_link_for_somebody_opens_for_nobody_else(
    surface: Surface, audience: Any, opens_for: set[str]
) -> None:
    """Whoever it was made for has to say who they are; they read it as whoever made it, even what
    their role does not see, and it is they who stand in the audit."""
    if audience == "clinician":
        audience = {"user": str(surface.who["clinician"].user_id)}
    made = await signed(surface, await place_of(surface), audience=audience)
    for who in (None, "clinician", "biller", "front_desk", "client", "mesa", "oncall"):
        got = await use(surface, made, who)
        if who in opens_for:
            assert got.raw == PDF
            [entry, *_] = await surface.entries("document_read")
            assert entry["actor"] == str(surface.who[str(who)].user_id)
            assert entry["data"]["role"] == who
        else:
            assert got.told == ("403", "LinkForOthers"), who


async def test_a_client_opens_theirs_in_a_browser(surface: Surface) -> None:
    """A link for a client leads past the log-in; signed in, its button gives the file; another
    client's session is told that it is for somebody else."""
    made = await surface.call(
        "POST",
        f"/object/sign/{await place_of(surface)}",
        {"audience": {"client": str(surface.alma)}},
    )
    assert "has no log-in" in made.body["message"]
    cookies = {}
    for name, client_id in (("alma", surface.alma), ("ben", surface.ben)):
        user = await create_user(
            surface.admin, f"{name}@links.example", name, "opens documents",
            [("client", surface.lakeside)], client_id=client_id,
        )  # fmt: skip
        cookies[name] = await open_client_session(
            surface.services.database, user, surface.lakeside, client_id
        )
    link = await signed(surface, await place_of(surface), audience={"client": str(surface.alma)})
    page = f"/d/{link['page'].rpartition('/')[2]}"

    async def shown(cookie: str) -> str:
        async with surface.http.get(surface.url + page, headers={"Cookie": cookie}) as answer:
            return await answer.text()

    assert f'href="/login?next={page}"' in await shown("")
    assert "for somebody else" in await shown(f"ms_session={cookies['ben']}")
    [action] = re.findall(r'action="([^"]+)"', await shown(f"ms_session={cookies['alma']}"))
    for name, expected in (("ben", 303), ("alma", 200)):
        headers = {"Cookie": f"ms_session={cookies[name]}", "Accept": "text/html"}
        async with surface.http.post(
            surface.url + action, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == expected
            if expected == 200:
                assert await answer.read() == PDF
            else:
                assert answer.headers["location"] == page


async def test_links_are_listed_and_ended(surface: Surface) -> None:
    """Whoever made a link, and an administrator, see it among a file's open ones and end it, plain
    ones of Supabase's too; others do neither, and what was ended opens nothing."""
    place = await place_of(surface)
    plain = await signed(surface, place, "clinician")
    guarded = await signed(surface, place, "front_desk", audience={"role": "biller"})
    used = await signed(surface, place, "front_desk", oneTime=True)
    await use(surface, used)
    upload = (await surface.call("POST", f"/object/upload/sign/{place}x", who="clinician")).body

    async def seen(who: str) -> set[str]:
        rows = (await surface.call("GET", f"/links/{place}", who=who)).body
        return {row["id"] for row in rows}

    assert await seen("administrator") == {plain["id"], guarded["id"]}
    assert await seen("clinician") == {plain["id"]}
    assert await seen("client") == set()
    assert (await surface.call("GET", f"/links/{place}", who="biller")).told[0] == "404"
    for who in ("front_desk", "client", "mesa"):
        ended = await surface.call("DELETE", f"/link/{plain['id']}", who=who)
        assert ended.told == ("404", "not_found"), who
    assert (await surface.call("GET", plain["signedURL"], who=None)).raw == PDF
    for link, who in ((plain, "administrator"), (plain, "clinician"), (upload, "clinician")):
        assert (await surface.call("DELETE", f"/link/{link['id']}", who=who)).http == 200
    gone = await surface.call("GET", plain["signedURL"], who=None)
    assert (gone.http, gone.told) == (400, ("410", "LinkEnded"))
    headers = {"content-type": "image/png"}
    put = await surface.call("PUT", upload["url"], who=None, data=PNG, headers=headers)
    assert put.told == ("410", "LinkEnded")
    assert (await surface.call("DELETE", f"/links/{place}")).body == {"ended": 1}
    assert (await use(surface, guarded, "biller")).told == ("410", "LinkEnded")
    assert await seen("administrator") == set()
    revoked = [one["data"]["link"] for one in await surface.entries("document_link_revoked")]
    assert sorted(revoked[:3]) == sorted([plain["id"], upload["id"], guarded["id"]])
    why = {one["data"]["link"]: one["data"]["why"]
           for one in await surface.entries("document_link_refused")}  # fmt: skip
    assert (why[plain["id"]], why[upload["id"]]) == ("revoked", "revoked")


async def test_a_guarded_link_ends_with_its_maker_its_file_and_its_time(surface: Surface) -> None:
    """It dies with the maker's account, with a file that was deleted though another lies there
    under its name, and by our own clock."""
    place = await place_of(surface)
    made = await signed(surface, place, "front_desk", audience={"role": "biller"})
    closing = "update app_user set active = $1 where email like 'frontdesk@%'"
    await surface.admin.execute(closing, False)
    assert (await use(surface, made, "biller")).told == ("410", "LinkEnded")
    await surface.admin.execute(closing, True)
    assert (await use(surface, made, "biller")).raw == PDF
    await surface.call("DELETE", f"/object/{place}")
    await surface.put(place)
    assert (await use(surface, made, "biller")).told == ("404", "not_found")
    late = await signed(surface, place, audience={"role": "biller"})
    async with surface.services.database.as_dispatcher() as connection:
        await connection.fetchval("select app.advance_clock($1)", timedelta(seconds=61))
    assert (await use(surface, late, "biller")).body["message"] == (
        '"exp" claim timestamp check failed'
    )


async def test_what_is_no_audience(surface: Surface) -> None:
    """A role that is none, an id that is none, somebody of another practice: each is told."""
    place = await place_of(surface)
    mesa_user = str(surface.who["mesa"].user_id)
    for body, words in (
        ({"audience": {"role": "oncall"}}, "role is one of"),
        ({"audience": {"user": "everybody"}}, "user is an id"),
        ({"audience": {"user": mesa_user}}, "no log-in at this practice"),
        ({"audience": {}}, "one of user, client"),
        ({"oneTime": "yes"}, "oneTime"),
    ):
        got = await surface.call("POST", f"/object/sign/{place}", body)
        assert got.told == ("400", "invalid_request")
        assert words in got.body["message"]


async def test_stretches_are_one_reading(surface: Surface) -> None:
    """A file that is fetched whole is an entry each time; in stretches it is one in a quarter of an
    hour, for each reader and each way; so it is after a whole one, as a browser does it."""
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    kept = (await surface.put(place)).body["Id"]
    plain = await signed(surface, place, expiresIn=3600)

    async def readings() -> int:
        return sum(one["subject"] == kept for one in await surface.entries("document_read"))

    async def stretch(path: str, who: str | None) -> None:
        for start in range(5):
            headers = {"Range": f"bytes={start * 10}-{start * 10 + 9}"}
            assert (await surface.call("GET", path, who=who, headers=headers)).http == 206

    await stretch(f"/object/{place}", "clinician")
    assert await readings() == 1
    await stretch(f"/object/{place}", "administrator")
    await stretch(plain["signedURL"], None)
    assert await readings() == 3
    for _ in range(2):
        await surface.call("GET", f"/object/{place}", who="client")
    await stretch(f"/object/{place}", "client")
    assert await readings() == 5
    async with surface.services.database.as_dispatcher() as connection:
        await connection.fetchval("select app.advance_clock($1)", timedelta(minutes=16))
    await stretch(f"/object/{place}", "clinician")
    assert await readings() == 6
