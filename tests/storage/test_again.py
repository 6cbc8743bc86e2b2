"""A copy that ended is sent again while its version is kept, and is never there twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from mentalspace.engine.again import send_again
from tests.storage.conftest import PDF, Surface

BUCKET = "client-documents"
CASE = "storage.too_large"

pytestmark = pytest.mark.database


async def asked(
    surface: Surface, method: str, path: str, body: Any = None, who: str = "front_desk"
) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {surface.token(who)}"}
    address = f"{surface.url}{path}"
    async with surface.http.request(method, address, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def refused(surface: Surface, place: str, case: str | None = CASE) -> UUID:
    """A new file there, and its copy, which the provider refused."""
    kept = await surface.put(place, PDF, x_upsert="true")
    [copy] = await copies(surface, UUID(kept.body["Id"]))
    await end(surface, copy["id"], case)
    ended: UUID = copy["id"]
    return ended


async def end(surface: Surface, delivery_id: UUID, case: str | None = CASE) -> None:
    for status in ("due", "sending", "refused"):
        await surface.admin.execute(
            "update delivery set status = $2, last_case = $3 where id = $1",
            delivery_id, status, case,
        )  # fmt: skip


async def copies(surface: Surface, file_id: UUID) -> list[Mapping[str, Any]]:
    """What the ledger has of a file's version, in order."""
    return list(
        await surface.admin.fetch(
            "select d.* from delivery d join storage.file f on f.version = d.subject_id::text"
            " where f.id = $1 order by d.created_at",
            file_id,
        )
    )


async def heap(surface: Surface, who: str = "front_desk") -> tuple[int, int]:
    """How many of the case may go again, and how many are gone."""
    _, told = await asked(surface, "GET", f"/v1/dead-letters?case_id={CASE}", who=who)
    return sum(h["may_go"] for h in told["ended"]), sum(h["gone"] for h in told["ended"])


async def test_a_refused_copy_goes_again_as_another(surface: Surface) -> None:
    """It is counted, and another of the same bytes for the same name takes its place; it stays
    refused, says what followed it, and does not go again. Another practice sees none of it."""
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    ended = await refused(surface, place)
    assert await heap(surface) == (1, 0)
    assert await heap(surface, who="mesa") == (0, 0)
    which = {"case_id": CASE, "ended": True}
    http, replay = await asked(surface, "POST", "/v1/dead-letters/replays", which)
    assert (http, replay["total"], replay["waiting"]) == (202, 1, 1)
    first, second = await surface.admin.fetch(
        "select * from delivery where subject_id = (select subject_id from delivery where id = $1)"
        " order by created_at",
        ended,
    )
    assert (first["status"], second["status"]) == ("refused", "pending")
    assert second["idempotency_key"] == first["idempotency_key"] + ".2"
    for same in ("payload", "recipient_key", "client_id", "lane_id", "traceparent"):
        assert second[same] == first[same], same
    said = await surface.admin.fetchval(
        "select data ->> 'delivery' from timeline where delivery_id = $1 and kind = 'sent_again'",
        ended,
    )
    assert said == str(second["id"])
    assert await heap(surface) == (0, 0)
    _, none = await asked(surface, "POST", "/v1/dead-letters/replays", which)
    assert none["total"] == 0
    http, problem = await asked(surface, "POST", f"/v1/deliveries/{ended}/again")
    assert (http, problem["detail"]) == (409, "It was sent again already")
    await end(surface, second["id"])
    http, third = await asked(surface, "POST", f"/v1/deliveries/{second['id']}/again")
    assert (http, third["status"]) == (201, "pending")
    http, _ = await asked(surface, "POST", f"/v1/deliveries/{third['id']}/again")
    assert http == 409, "it has not ended"
    http, _ = await asked(surface, "POST", f"/v1/deliveries/{second['id']}/again", who="mesa")
    assert http == 404


async def test_what_ended_without_a_case_goes_again_alone(surface: Surface) -> None:
    """Of two refused copies, one without a case: the replay of those without leaves the other."""
    place = f"{BUCKET}/{surface.alma}/{uuid4()}.pdf"
    with_one = await refused(surface, place, "storage.unsupported_type")
    without = await refused(surface, f"{BUCKET}/{surface.alma}/{uuid4()}.pdf", None)
    which = {"integration": "storage", "case_id": "none", "ended": True}
    _, replay = await asked(surface, "POST", "/v1/dead-letters/replays", which)
    assert replay["total"] == 1
    followed = "select exists (select from timeline where delivery_id = $1 and kind = 'sent_again')"
    assert await surface.admin.fetchval(followed, without)
    assert not await surface.admin.fetchval(followed, with_one)


async def test_a_copy_of_a_removed_version_goes_again_until_it_is_purged(surface: Surface) -> None:
    """While the archive keeps the version, on-call sends it again; purged, it is refused in words,
    and the removal goes to the place where the copy went."""
    place = f"{BUCKET}/{surface.ben}/{uuid4()}.pdf"
    ended = await refused(surface, place)
    await surface.call("DELETE", f"/object/{place}")
    services = surface.services
    async with services.database.as_oncall() as connection:
        _, [again] = await send_again(
            services.database, connection, services.rooms, "on call", delivery_id=ended
        )
    await end(surface, again)
    await surface.expire(str(surface.ben))
    assert await heap(surface) == (0, 1)
    http, problem = await asked(surface, "POST", f"/v1/deliveries/{again}/again")
    assert (http, problem["detail"]) == (
        409,
        "The version it was to copy is not kept here any more",
    )
    keys = await surface.admin.fetch(
        "select idempotency_key from delivery where kind = 'removal' and subject_id ="
        " (select subject_id from delivery where id = $1)",
        ended,
    )
    key = await surface.admin.fetchval("select idempotency_key from delivery where id = $1", ended)
    assert [row["idempotency_key"] for row in keys] == [key.replace("/document", "/removal")]
