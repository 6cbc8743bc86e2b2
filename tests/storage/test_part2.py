"""Records under 42 CFR Part 2: the label stays with the file, and the notice with what is given."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from mentalspace.integrations.storage.bundle import NOTICE_NAME
from mentalspace.integrations.storage.notice import LONG, PAGE, SHORT
from tests.storage.conftest import PDF, PNG, Reply, Surface, Who

BUCKET = "client-documents"


def new(surface: Surface) -> str:
    return f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"


async def labelled(surface: Surface, content: bytes = PDF, **headers: str) -> str:
    place = new(surface)
    kept = await surface.put(place, content, x_document_label="part2", **headers)
    assert kept.http == 200, kept.raw
    return place


async def label_of(surface: Surface, place: str) -> Any:
    return (await surface.call("GET", f"/object/info/{place}")).body.get("label")


def told(reply: Reply) -> bool:
    """Whether the answer brings the notice, and where all of it stands."""
    link = reply.headers.get("link", "")
    both = reply.headers.get("x-document-label"), reply.headers.get("x-redisclosure-notice")
    assert (both == ("part2", SHORT)) == (f'{PAGE}>; rel="describedby"' in link)
    return both == ("part2", SHORT)


async def test_a_label_is_put_on_while_a_file_comes(surface: Surface) -> None:
    """By a header, by the metadata, by a form, and by an upload in pieces; a label that is none
    is refused, and keeps nothing."""
    said = base64.b64encode(b'{"document_label": "part2", "display_name": "Intake"}').decode()
    by_metadata, by_form, in_pieces = new(surface), new(surface), new(surface)
    assert (await surface.put(by_metadata, x_metadata=said)).http == 200
    form = aiohttp.FormData({"documentLabel": "part2"})
    form.add_field("file", PDF, filename="a.pdf", content_type="application/pdf")
    assert (await surface.call("POST", f"/object/{by_form}", data=form)).http == 200
    fields = dict(zip(("bucketName", "objectName"), in_pieces.split("/", 1), strict=True))
    fields |= {"contentType": "application/pdf", "documentLabel": "part2"}
    begun = await surface.call(
        "POST", "/upload/resumable", data=PDF, headers={
            "tus-resumable": "1.0.0", "upload-length": str(len(PDF)),
            "content-type": "application/offset+octet-stream",
            "upload-metadata": ",".join(
                f"{name} {base64.b64encode(value.encode()).decode()}"
                for name, value in fields.items()),
        },
    )  # fmt: skip
    assert begun.http == 201, begun.raw
    for place in (await labelled(surface), by_metadata, by_form, in_pieces):
        assert await label_of(surface, place) == "part2"
    kept = (await surface.call("GET", f"/object/info/{by_metadata}")).body["metadata"]
    assert kept == {"display_name": "Intake"}
    refused = await surface.put(slip := new(surface), x_document_label="part-2")
    assert "label: give part2" in refused.body["message"]
    assert (await surface.call("GET", f"/object/{slip}")).told == ("404", "not_found")


async def test_a_label_stays_with_its_file(surface: Surface) -> None:
    """Copied, moved, and replaced by a file that brings none, it is there; so is it where such a
    copy replaces another. A file without one has none after any of it."""
    place = await labelled(surface)
    folder = f"{surface.alma}/{uuid4()}"
    for target in (f"{folder}/copied", f"{folder}/moved"):
        name, verb = place.split("/", 1)[1], "move" if target.endswith("moved") else "copy"
        body = {"bucketId": BUCKET, "sourceKey": name, "destinationKey": target}
        done = await surface.call("POST", f"/object/{verb}", body)
        assert done.http == 200, done.raw
        assert await label_of(surface, f"{BUCKET}/{target}") == "part2"
    moved = f"{BUCKET}/{folder}/moved"
    replaced = await surface.call(
        "PUT", f"/object/{moved}", data=PNG, headers={"content-type": "image/png"}
    )
    assert replaced.http == 200
    given = await surface.call("GET", f"/object/{moved}")
    assert (given.raw, told(given)) == (PNG, True)
    plain = new(surface)
    await surface.put(plain)
    assert not told(await surface.call("GET", f"/object/{plain}"))
    body = {"bucketId": BUCKET, "sourceKey": f"{folder}/copied",
            "destinationKey": plain.split("/", 1)[1]}  # fmt: skip
    over = await surface.call("POST", "/object/copy", body, headers={"x-upsert": "true"})
    assert over.body["label"] == "part2"
    assert told(await surface.call("GET", f"/object/{plain}"))


async def test_whatever_is_given_brings_the_notice(surface: Surface) -> None:
    """Whole, in part, by its headers, unchanged, and by either kind of link; so does what is
    answered in JSON. A file without a label is answered as ever."""
    place, plain = await labelled(surface), new(surface)
    await surface.put(plain)
    for one, marked in ((place, True), (plain, False)):
        sign, folder = f"/object/sign/{one}", one.split("/", 1)[1].rpartition("/")[0]
        signed = (await surface.call("POST", sign, {})).body
        once = (await surface.call("POST", sign, {"oneTime": True})).body
        whole = await surface.call("GET", f"/object/authenticated/{one}")
        assert whole.raw == PDF
        answers = (
            whole,
            await surface.call("HEAD", f"/object/{one}"),
            await surface.call("GET", f"/object/{one}", headers={"range": "bytes=2-9"}),
            await surface.call(
                "GET", f"/object/{one}", headers={"if-none-match": whole.headers["etag"]}
            ),
            await surface.call("GET", signed["signedURL"], who=None),
            await surface.call("POST", once["signedURL"], who=None),
        )
        assert [each.http for each in answers] == [200, 200, 206, 304, 200, 200]
        assert [told(each) for each in answers] == [marked] * 6
        listed = (await surface.call("POST", f"/object/list/{BUCKET}", {"prefix": folder})).body
        paged = await surface.call("POST", f"/object/list-v2/{BUCKET}", {"prefix": folder})
        [row] = [each for each in listed if each["name"] == one.rpartition("/")[2]]
        [entry] = [each for each in paged.body["objects"] if f"{BUCKET}/{each['name']}" == one]
        about = (await surface.call("GET", f"/object/info/{one}")).body
        [version] = (await surface.call("GET", f"/versions/{one}")).body
        read = await surface.call("GET", f"/version/{version['version']}")
        assert (read.raw, told(read)) == (PDF, marked)
        for said in (row, entry, about, signed, once, version):
            assert (said.get("label"), said.get("notice")) == (
                ("part2", SHORT) if marked else (None, None)
            )
            assert said.get("notice_url", PAGE).endswith(PAGE)
    async with surface.http.get(surface.url + PAGE) as answer:
        page = await answer.text()
    assert all(paragraph in page for paragraph in LONG)


async def test_who_labels_and_who_takes_it_off(surface: Surface) -> None:
    """Staff mark what they may change, a client does not; only an administrator takes a mark off,
    and says why. Each stands in the audit, the refusals too."""
    place = new(surface)
    await surface.put(place)
    mark = {"label": "part2"}
    for who, said in (("client", "403"), ("biller", "404"), ("mesa", "404")):
        assert (await surface.call("PUT", f"/label/{place}", mark, who=who)).told[0] == said
    assert (await surface.call("PUT", f"/label/{place}", mark, who="clinician")).http == 200
    assert (await surface.call("PUT", f"/label/{place}", mark, who="clinician")).http == 200
    entries = await surface.entries("document_labelled")
    about = (await surface.call("GET", f"/object/info/{place}")).body
    assert [one["subject"] for one in entries].count(about["id"]) == 1
    why = {"reason": "Marked by mistake: it is a letter of the landlord"}
    refused = await surface.call("DELETE", f"/label/{place}", why, who="clinician")
    assert refused.body["message"] == "Only an administrator takes a label off"
    [latest, *_] = await surface.entries("document_refused")
    assert latest["data"]["policy"] == "storage.guard_label"
    assert "say why" in (await surface.call("DELETE", f"/label/{place}", {})).body["message"]
    assert await label_of(surface, place) == "part2"
    assert (await surface.call("DELETE", f"/label/{place}", why)).http == 200
    assert await label_of(surface, place) is None
    [entry, *_] = await surface.entries("document_unlabelled")
    assert (entry["subject"], entry["data"]["reason"]) == (about["id"], why["reason"])


async def test_an_administrator_labels_off_by_no_other_way(surface: Surface) -> None:
    """The database itself keeps the mark: a statement of an administrator's that says nothing of
    taking it off leaves it."""
    place = await labelled(surface)
    who = surface.who["administrator"].claims()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="take a label off"):
        async with surface.services.database.as_user(who) as connection:
            await connection.execute(
                "update storage.file set label = null where bucket_id = $1 and name = $2",
                *place.split("/", 1),
            )
    assert await label_of(surface, place) == "part2"


async def test_the_file_and_its_notice_in_one(surface: Surface) -> None:
    """Asked for so, a labelled file comes as a ZIP that says its length, holds the very bytes and
    the whole notice with their sum; by a link for one use too. By
    itself it comes unaltered. What carries no label has no notice to bring."""
    large = PDF + bytes(range(256)) * 1200  # more than a block, and than a frame
    said = base64.b64encode(json.dumps({"display_name": "Ánimo: 1/2.pdf"}).encode()).decode()
    place = await labelled(surface, large, x_metadata=said)
    once = await surface.call("POST", f"/object/sign/{place}", {"oneTime": True})
    plain = await surface.call("GET", f"/object/{place}")
    assert plain.raw == large
    for got in (
        await surface.call("GET", f"/object/{place}?with=notice"),
        await surface.call("POST", f"{once.body['signedURL']}&with=notice", who=None),
    ):
        assert (got.http, got.headers["content-type"]) == (200, "application/zip")
        assert int(got.headers["content-length"]) == len(got.raw)
        assert told(got)
        assert "%C3%81nimo" in got.headers["content-disposition"]
        with zipfile.ZipFile(io.BytesIO(got.raw)) as bundle:
            assert bundle.testzip() is None
            assert bundle.namelist() == [NOTICE_NAME, "Ánimo 12.pdf"]
            assert bundle.read("Ánimo 12.pdf") == large
            notice = " ".join(bundle.read(NOTICE_NAME).decode().split())
        assert all(paragraph in notice for paragraph in LONG)
        assert plain.headers["etag"].strip('"') in notice
    await surface.put(unmarked := new(surface))
    assert (await surface.call("GET", f"/object/{unmarked}?with=notice")).raw == PDF


async def test_what_leaves_by_a_link_is_accounted_for(surface: Surface) -> None:
    """Each reading of a labelled file by a link stands in the audit as a disclosure: of which
    client's, for what, and to whom as far as that was said. Other readings are none."""
    place = await labelled(surface)
    sign = f"/object/sign/{place}"
    given = {"purpose": "treatment", "recipient": "County Hospital, intake"}
    plain = (await surface.call("POST", sign, given)).body
    guarded = (await surface.call("POST", sign, {"audience": {"role": "biller"}})).body
    wrong = await surface.call("POST", sign, {"purpose": "curiosity"})
    assert "purpose: one of" in wrong.body["message"]
    [_, made, *_] = await surface.entries("document_link_made")
    assert {**given, "label": "part2"}.items() <= made["data"].items()
    await surface.call("GET", f"/object/{place}")
    for start in (0, 5):
        headers = {"range": f"bytes={start}-{start + 4}"}
        assert (await surface.call("GET", plain["signedURL"], who=None, headers=headers)).raw
    assert (await surface.call("POST", guarded["signedURL"], who="biller")).raw == PDF
    entries = [one["data"] for one in await surface.entries("document_disclosed")]
    by = {one["link"]: one for one in entries if one["link"] in (plain["id"], guarded["id"])}
    assert len([one for one in entries if one["link"] in by]) == 2
    assert given.items() <= by[plain["id"]].items()
    assert by[plain["id"]]["client"] == str(surface.alma)
    assert (by[guarded["id"]]["purpose"], by[guarded["id"]]["recipient"]) == (
        "not_stated", "biller",
    )  # fmt: skip


async def test_what_comes_for_a_marked_client_is_labelled(surface: Surface) -> None:
    """Whoever adds it, and however it comes among theirs: sent by the client, or moved there. An
    administrator may take one mark off; ending it for all of them is theirs alone too."""
    async with surface.http.post(
        f"{surface.url}/v1/clients",
        json={"external_id": "marked", "name": "Cleo", "part2": True},
        headers={"Authorization": f"Bearer {surface.token('front_desk')}"},
    ) as answer:
        made = await answer.json()
    assert made["part2"] is True
    cleo = Who("client", surface.lakeside, uuid4(), UUID(made["id"]))
    surface = replace(surface, who={**surface.who, "cleo": cleo})
    sent, moved = (f"{made['id']}/{uuid4()}.pdf" for _ in range(2))
    assert (await surface.put(f"{BUCKET}/{sent}", who="cleo")).http == 200
    await surface.put(other := f"{BUCKET}/{surface.ben}/{uuid4()}.pdf")
    assert await label_of(surface, other) is None
    body = {"bucketId": BUCKET, "sourceKey": other.split("/", 1)[1], "destinationKey": moved}
    assert (await surface.call("POST", "/object/move", body)).http == 200
    for name in (sent, moved):
        assert await label_of(surface, f"{BUCKET}/{name}") == "part2"
    why = {"reason": "A landlord's letter"}
    assert (await surface.call("DELETE", f"/label/{BUCKET}/{sent}", why)).http == 200
    assert await label_of(surface, f"{BUCKET}/{sent}") is None
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="take the mark off"):
        async with surface.services.database.as_user(
            surface.who["front_desk"].claims()
        ) as connection:
            await connection.execute(
                "update client set part2 = false where id = $1", cleo.client_id
            )


async def test_older_versions_are_labelled_with_their_file(surface: Surface) -> None:
    """Marking a file marks what was kept of it, which brings the notice when it is read, and the
    mark when it is restored."""
    place, png = new(surface), {"content-type": "image/png"}
    await surface.put(place)
    first = (await surface.call("GET", f"/object/info/{place}")).body["version"]
    assert (await surface.call("PUT", f"/object/{place}", data=PNG, headers=png)).http == 200
    assert (await surface.call("PUT", f"/label/{place}", {"label": "part2"})).http == 200
    older = await surface.call("GET", f"/version/{first}")
    assert (older.raw, told(older)) == (PDF, True)
    assert (await surface.call("DELETE", f"/object/{place}")).http == 200
    assert (await surface.call("POST", f"/version/{first}/restore")).http == 200
    assert await label_of(surface, place) == "part2"
