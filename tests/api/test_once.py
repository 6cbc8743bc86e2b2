"""Idempotency keys."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.api.conftest import Api, Reply


async def _post(api: Api, token: str, key: str, body: dict[str, Any]) -> Reply:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
    return await api.call("POST", "/v1/appointments", body, headers=headers)


async def test_the_same_request_is_done_once(api: Api, booking: dict[str, Any]) -> None:
    """The second answer is the first one's, word for word, and nothing more was booked."""
    token, key = api.token(), str(uuid4())
    first, second = [await _post(api, token, key, booking) for _ in range(2)]
    assert (first.http, second.http) == (201, 201)
    assert first.raw == second.raw
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    count = await api.admin.fetchval(
        "select count(*) from delivery where subject_id = $1 and kind = 'appointment_created'",
        first.body["id"],
    )
    assert count == 1


async def test_the_kept_answer_is_not_readable(api: Api, booking: dict[str, Any]) -> None:
    """What is kept for the repetition is encrypted."""
    key = str(uuid4())
    made = await _post(api, api.token(), key, booking)
    kept = await api.admin.fetchval("select body from api_request where key = $1", key)
    assert made.body["id"].encode() not in kept


async def test_another_request_under_the_key_is_refused(api: Api, booking: dict[str, Any]) -> None:
    """A key stands for one request of one person."""
    token, key = api.token(), str(uuid4())
    await _post(api, token, key, booking)
    changed = await _post(api, token, key, {**booking, "duration_min": 20})
    foreign = await _post(api, api.token(), key, booking)
    for answer in (changed, foreign):
        assert (answer.http, answer.body["code"]) == (422, "idempotency_key_reused")


async def test_practices_do_not_share_keys(api: Api, booking: dict[str, Any]) -> None:
    """Two practices may use the same key, and each gets its own appointment."""
    key = str(uuid4())
    ours = await _post(api, api.token(), key, booking)
    theirs = await _post(api, api.token(practice="mesa"), key, booking)
    assert (ours.http, theirs.http) == (201, 201)
    assert ours.body["id"] != theirs.body["id"]


async def test_at_once_only_one_works(api: Api, booking: dict[str, Any]) -> None:
    """Of ten at the same moment one books; the rest hear its answer or that it is under way."""
    token, key = api.token(), str(uuid4())
    answers = await asyncio.gather(*(_post(api, token, key, booking) for _ in range(10)))
    codes = {a.http if a.http == 201 else a.body["code"] for a in answers}
    assert codes <= {201, "idempotency_key_in_use"}
    assert 201 in codes
    fresh = [a for a in answers if a.http == 201 and "idempotency-replayed" not in a.headers]
    assert len(fresh) == 1


async def test_a_request_that_failed_frees_its_key(api: Api, booking: dict[str, Any]) -> None:
    """After a conflict the corrected request may use the same key."""
    token, key = api.token(), str(uuid4())
    await api.call("POST", "/v1/appointments", booking)
    assert (await _post(api, token, key, booking)).body["code"] == "appointment_exists"
    other = {**booking, "external_id": booking["external_id"] + "-2"}
    assert (await _post(api, token, key, other)).http == 201


async def test_a_dead_process_does_not_keep_a_key(api: Api, booking: dict[str, Any]) -> None:
    """A claim nobody completed blocks at first, and after two minutes no longer."""
    key = str(uuid4())
    token = api.token()
    first = await _post(api, token, key, booking)
    await api.admin.execute("update api_request set http = null, body = null where key = $1", key)
    assert (await _post(api, token, key, booking)).body["code"] == "idempotency_key_in_use"
    await api.admin.execute(
        "update api_request set created_at = created_at - interval '3 min' where key = $1", key
    )
    again = await _post(api, token, key, booking)
    assert (first.http, again.body["code"]) == (201, "appointment_exists")


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "ö"])
async def test_unusable_keys(api: Api, booking: dict[str, Any], key: str) -> None:
    """A key is 1 to 255 visible ASCII characters."""
    answer = await _post(api, api.token(), key, booking)
    assert (answer.http, answer.body["errors"][0]["code"]) == (422, "key_unusable")
