"""The fleet of many practices: what needs somebody stands alone, the calm are told together."""

from __future__ import annotations

import re

import pytest

from tests.console.stage import Stage
from tests.console.test_doors import visitor

_CROWD = """
with made as (
  insert into practice (slug, name, timezone)
  select 'crowd-' || n, 'Crowd ' || n, 'UTC' from generate_series(1, 15) n returning id, slug)
, keyed as (
  insert into credential (practice_id, integration, provider, endpoint, base_url, live, secrets,
                          rate_per_s)
  select id, 'sms', 'twilio', slug, 'http://127.0.0.1:1', false, '', 1 from made
  returning id, practice_id, endpoint)
, stated as (
  insert into credential_state (credential_id, practice_id, last_good_at)
  select id, practice_id, app.now() from keyed)
insert into lane (practice_id, credential_id, integration, provider, class, state, paused_at,
                  paused_by)
select practice_id, id, 'sms', 'twilio', 'bulk',
       case endpoint when 'crowd-3' then 'paused' else 'open' end,
       case endpoint when 'crowd-3' then app.now() end,
       case endpoint when 'crowd-3' then 'Noor' end from keyed
"""
# Its last calls were answered, and yet what is due does not leave.
_STUCK = """
insert into delivery (practice_id, lane_id, credential_id, integration, kind, recipient_key,
  idempotency_key, due_at, next_attempt_at, traceparent)
select l.practice_id, l.id, l.credential_id, l.integration, 'reminder', 'r', 'crowd/1',
       app.now() - interval '6 min', app.now(), '00-0-0-00'
  from lane l join credential c on c.id = l.credential_id where c.endpoint = 'crowd-5'
"""
# Its calls are answered, and what they took does not arrive.
_INCIDENT = """
insert into incident (key, rule_id, integration, credential_id, practice_id, severity, title, fault,
                      since, ack_due_at, facts)
select 'crowd', 'sms.texts_filtered', 'sms', id, practice_id, 'high', 'Filtered', 'ours',
       app.now(), app.now(), '{}' from credential where endpoint = 'crowd-7'
"""

# Its calls are answered, and what it calls back is signed with another secret.
_REFUSED = """
insert into hook_refusal (credential_id, practice_id, code, refused, since, last_at)
select id, practice_id, 'signature', 4, app.now() - interval '5 min', app.now()
  from credential where endpoint = 'crowd-9'
"""


@pytest.mark.database
async def test_of_a_crowd_only_the_troubled_have_a_card(stage: Stage) -> None:
    await stage.owner.execute(_CROWD)
    await stage.owner.execute(_STUCK)
    await stage.owner.execute(_INCIDENT)
    await stage.owner.execute(_REFUSED)

    async def read(path: str) -> tuple[int, str]:
        async with http.get(path) as answer:
            return answer.status, await answer.text()

    def cards(page: str) -> set[str]:
        return set(re.findall(r"credential <code>(crowd-\d+)</code>", page))

    async with visitor(stage, "oncall") as http:
        _, page = await read("/")
        assert cards(page) == {"crowd-3", "crowd-5", "crowd-7", "crowd-9"}
        assert "Incident open" in page
        assert "Callbacks refused" in page
        said = re.search(r"<b>SMS</b>: (\d+) credentials of (\d+) practices calm", page)
        assert said and int(said[1]) >= 11 and int(said[2]) >= 11
        _, page = await read("/?room=sms")
        assert len(cards(page)) == 15
        assert "credentials of" not in page
        assert (await read("/?room=fax"))[0] == 404
