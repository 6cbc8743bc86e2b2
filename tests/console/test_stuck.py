"""A table that somebody locked: the console names who, in time, and does not wait with the rest."""

from __future__ import annotations

import re

import pytest

from tests.console.stage import Stage
from tests.console.test_doors import visitor

pytestmark = pytest.mark.database


async def test_a_locked_table_is_told_with_its_holder(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On-call reads who, and what to do, though hardly a page can be read; practice staff read
    that their work is kept, and no word of the database's insides."""
    monkeypatch.setattr("mentalspace.engine.db.pool.LOOKING_WAITS_S", 0.1)
    monkeypatch.setattr("mentalspace.console.door.LOOKING_WAITS_S", 0.1)
    holder, pid = stage.owner, await stage.owner.fetchval("select pg_backend_pid()")
    async with visitor(stage, "oncall") as oncall, visitor(stage, "frontdesk") as desk:
        await holder.execute("set application_name = 'nightly-cleanup'")
        try:
            await holder.execute("begin; lock table delivery in access exclusive mode")
            for path in ("/", "/incidents", "/messages"):
                async with oncall.get(path) as answer:
                    seen = answer.status, plain(await answer.text())
                    assert seen[0] == 503, path
                    assert (
                        f"Table delivery locked by pid {pid}, application nightly-cleanup"
                        " (idle in transaction) for"
                    ) in seen[1]
                    assert f"select pg_terminate_backend({pid})" in seen[1]
                    assert "from 127.0.0.1" in seen[1] or "from this host" in seen[1]
                    assert "nobody can count them while this lasts" in seen[1]
                    assert "taken by nobody yet" in seen[1], seen[1][:1900]
            async with desk.get("/messages") as answer:
                told = plain(await answer.text())
                assert (answer.status, "Your work is kept." in told) == (503, True)
                assert "nightly-cleanup" not in told
        finally:
            await holder.execute("rollback; reset application_name")
        try:
            await holder.execute("begin; lock table lane in access exclusive mode")
            async with oncall.get("/") as answer:
                told = plain(await answer.text())
                assert re.search(r"Who waits: \d+ messages? to \d+ (person|people)", told)
        finally:
            await holder.execute("rollback")
        async with oncall.get("/") as answer:
            assert answer.status == 200


def plain(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))
