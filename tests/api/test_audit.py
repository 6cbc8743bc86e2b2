"""The audit through the API."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.api.conftest import Api

pytestmark = pytest.mark.database


async def test_the_audit_is_searched_a_page_at_a_time(api: Api) -> None:
    """Each practice's administrator finds their own, on-call everybody's without what is beside
    it; `next` goes on where a page ended; nonsense is named."""
    subject = str(uuid4())
    for slug, actor in (("lakeside", "one"), ("mesa", "two"), ("lakeside", "three")):
        await api.admin.execute(
            "insert into audit (practice_id, actor, action, subject, data)"
            " values ($1, $2, 'client.read', $3, '{\"vendor\": \"resend\"}')",
            api.practices[slug],
            actor,
            subject,
        )
    about = f"/v1/audit?subject={subject}"
    path = f"{about}&action=client.read"
    first = (await api.call("GET", f"{path}&limit=1")).body
    assert [entry["actor"] for entry in first["items"]] == ["three"]
    rest = (await api.call("GET", f"{path}&limit=1&cursor={first['next']}")).body
    assert [(e["actor"], e["data"]) for e in rest["items"]] == [("one", {"vendor": "resend"})]
    assert rest["next"] is None
    every = (await api.call("GET", path, role="oncall")).body["items"]
    assert [(e["actor"], e["data"]) for e in every] == [("three", {}), ("two", {}), ("one", {})]
    mesa = api.practices["mesa"]
    for query, role, found in (
        (f"&practice_id={mesa}", "oncall", 1),
        (f"&practice_id={api.practices['lakeside']}&actor=one", "oncall", 1),
        (f"&practice_id={mesa}", "administrator", 0),
        ("&actor=two", "oncall", 1),
        (f"&practice_id={uuid4()}", "oncall", 0),
        ("&until=2020-01-01T00:00:00Z", "oncall", 0),
        ("&since=2020-01-01T00:00:00Z", "oncall", 3),
    ):
        answer = (await api.call("GET", path + query, role=role)).body  # type: ignore[arg-type]
        assert len(answer["items"]) == found, query
    backwards = "until=2020-01-01T00:00:00Z&since=2020-01-02T00:00:00Z"
    for name in ("cursor=x", "since=yesterday", "limit=0", "actor=%00", "subject=Ada", backwards):
        answer = await api.call("GET", f"/v1/audit?{name}")
        [fault] = answer.body["errors"]
        assert (answer.http, fault["pointer"]) == (422, f"/query/{name.partition('=')[0]}"), name
    looks = (await api.call("GET", f"{about}&action=audit.read")).body["items"]
    assert len(looks) == 4, "three of administrators, and on-call's one at this practice"
