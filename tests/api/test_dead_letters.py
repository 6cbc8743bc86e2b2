"""Dead letters by the API: what a person holds goes when it is meant, and only then."""

from __future__ import annotations

from tests.api.conftest import Api

CASE = "email.held_for_a_test"

_HELD = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, traceparent, status, held_reason, last_case)
select l.practice_id, l.id, l.credential_id, l.integration, 'reminder', 'k', $1, '', 'held', $2, $3
  from lane l join credential c on c.id = l.credential_id
 where c.integration = 'email' and c.endpoint = 'mesa' and l.class = 'interactive' returning id
"""
_SAID = """
insert into timeline (practice_id, delivery_id, kind, data, actor)
select practice_id, id, 'held', jsonb_build_object('reason', held_reason), 'noor'
  from delivery where id = $1
"""


async def test_a_replay_leaves_what_a_person_holds(api: Api) -> None:
    """The list tells who, why and since when; a replay of the case leaves theirs, and one that
    names them sends nothing else."""
    await api.admin.execute(_HELD, "held/by-itself", "400 from the provider", CASE)
    held = await api.admin.fetchval(_HELD, "held/by-noor", "noor holds it: wrong template", CASE)
    await api.admin.execute(_SAID, held)
    try:
        listed = await api.call("GET", f"/v1/dead-letters?case_id={CASE}", role="oncall")
        told = [(one["held_by"], one["reason"], one["safe"]) for one in listed.body["items"]]
        assert told == [(None, None, 1), ("noor", "noor holds it: wrong template", 1)]
        assert listed.body["items"][1]["held_at"] is not None
        sent = []
        for held_by in ({}, {}, {"held_by": "sam"}, {"held_by": "noor"}):
            which = {"case_id": CASE, **held_by}
            done = await api.call("POST", "/v1/dead-letters/replays", which, role="oncall")
            sent.append(done.body["total"])
        assert sent == [1, 0, 0, 1]
    finally:
        await api.admin.execute(
            "update delivery set status = 'cancelled' where last_case = $1", CASE
        )
