"""How each credential fared in the last minutes: one judgement, for its card and for the doctor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mentalspace.engine.db import Connection
from mentalspace.engine.runbook import Runbooks
from mentalspace.kernel.case import Fault
from mentalspace.kernel.checkup import State, Whose
from mentalspace.kernel.integration import Integration
from mentalspace.workflows.doctor.way_out import SILENT_KINDS

MINUTES = 10
# One may be anything.
FEWEST = 2
# Smaller parts fail on the best of days: of what was taken, and of calls.
_PART_LOST = 0.2
_PART_FAILED = 0.1
# Of what failed the other side's part is told from so many on.
_FEWEST_OF_PART = 3
# After so many that went well what failed before them is over.
_OVER_AFTER = 10
# After so many that failed it is no part that fails.
_NONE_AFTER = 5
# A call is slow that takes so much longer than is usual, and longer than this; where nothing is
# usual yet, than that. It is judged by so many of the latest.
_SLOW_TIMES = 3.0
_SLOW_S = 3.0
_SLOW_FOR_ANYBODY_S = 5.0
_LATEST = 5
_WHOSE: Mapping[Fault, Whose] = {Fault.OURS: "ours", Fault.THEIRS: "theirs"}

# $1 credentials, all in use if none are given; $2 the cases that are the recipients' own, $3 the
# kinds of evidence that are no answer. Some ended well since the last that did not.
_READ = f"""
with clock as materialized (
  select app.now() - interval '{MINUTES} min' as since
)
select c.id as credential_id, c.integration, c.provider, calls.*, ends.*, slow.slow_s,
       before.usual_s, before.quick_at
  from clock cross join credential c
 cross join lateral (
    select count(*) as tried, count(*) filter (where bad) as failed,
           count(*) filter (where bad and silent) as unanswered,
           count(*) filter (where well and finished_at > bad_at) as well_since,
           count(*) filter (where bad and finished_at > well_at) as failed_since,
           max(bad_at) as failed_at, max(well_at) as well_at,
           count(*) filter (where bad and fault = 'ours') as failed_ours,
           mode() within group (order by tried_case) filter (where bad and fault = 'ours')
             as ours_case,
           mode() within group (order by tried_case) filter (where bad and fault = 'theirs')
             as theirs_case
      from (select a.finished_at, a.state = 'succeeded' as well, a.case_id as tried_case,
                   a.fault,
                   coalesce(a.fault in ('ours', 'theirs'), false) as bad,
                   a.evidence_kind = any ($3) as silent,
                   max(a.finished_at) filter (where a.fault in ('ours', 'theirs')) over ()
                     as bad_at,
                   max(a.finished_at) filter (where a.state = 'succeeded') over () as well_at
              from attempt a
             where a.credential_id = c.id and a.drill is null and a.state <> 'open'
               and a.finished_at > clock.since) tries) calls
 cross join lateral (
    select count(*) filter (where arrived) as arrived, count(*) filter (where lost) as lost,
           count(*) filter (where arrived and ended_at > lost_at) as arrived_since,
           mode() within group (order by last_case) filter (where lost) as case_id
      from (select *, max(ended_at) filter (where lost) over () as lost_at
              from (select d.ended_at, d.last_case, d.status = 'delivered' as arrived,
                           d.status = 'failed' and coalesce(d.last_case <> all ($2), true) as lost
                      from delivery d
                     where d.credential_id = c.id and d.drill is null
                       and d.accepted_at is not null and d.ended_at > clock.since) ended) dated
    ) ends
 cross join lateral (
    select case when count(*) = {_LATEST}
           then percentile_cont(0.5) within group (order by took_s) end as slow_s
      from (select extract(epoch from a.finished_at - a.started_at)::float8 as took_s
              from attempt a
             where a.credential_id = c.id and a.drill is null and a.state = 'succeeded'
               and a.finished_at > clock.since
             order by a.finished_at desc limit {_LATEST}) latest) slow
  left join lateral (
    select percentile_cont(0.5) within group (order by took_s)
             filter (where finished_at < clock.since) as usual_s,
           max(finished_at) filter (where took_s * {_SLOW_TIMES} < slow.slow_s) as quick_at
      from (select a.finished_at,
                   extract(epoch from a.finished_at - a.started_at)::float8 as took_s
              from attempt a
             where slow.slow_s > {_SLOW_S} and a.credential_id = c.id and a.drill is null
               and a.state = 'succeeded' and a.finished_at > clock.since - interval '1 day'
             order by a.finished_at desc limit 200) took) before on true
 where c.active and c.drill is null and ($1::uuid[] is null or c.id = any ($1))
   and (calls.failed > 0 or ends.lost > 0 or slow.slow_s > {_SLOW_S})
"""


@dataclass(frozen=True, slots=True)
class Lately:
    """Of the last ten minutes: how many calls were `tried`; `failed`, by its fault or ours, last at
    `failed_at`; were `unanswered` of these; `failed_ours` are ours, mostly by `ours_case`, and the
    others mostly by `theirs_case`; `well_since` the last of them; `failed_since` the last that went
    well, at `well_at`. Of what it took `arrived` and `lost` messages ended, `arrived_since` the
    last that was lost; most were lost by `case_id`. A call takes `slow_s` of late, and took
    `usual_s` before; the last quick one ended at `quick_at`."""

    tried: int
    failed: int
    unanswered: int
    well_since: int
    arrived: int
    lost: int
    arrived_since: int
    case_id: str | None
    failed_at: datetime | None = None
    failed_ours: int = 0
    ours_case: str | None = None
    theirs_case: str | None = None
    failed_since: int = 0
    well_at: datetime | None = None
    slow_s: float | None = None
    usual_s: float | None = None
    quick_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, for a line of the doctor (`check`, `text`) and for a card's badge (`word`).
    `cure` is what to do about what is ours, with places for the practice and the endpoint."""

    check: str
    word: str
    state: State
    text: str
    whose: Whose | None
    cure: str | None = None

    def cure_at(self, practice: str, endpoint: str) -> str | None:
        return self.cure and self.cure.format(practice=practice, endpoint=endpoint)


async def read_troubles(
    connection: Connection,
    runbooks: Runbooks,
    rooms: Mapping[str, Integration],
    credential_ids: Sequence[UUID] | None = None,
) -> dict[UUID, list[Trouble]]:
    """By credential, the weightiest first; of all that are in use if none are given. As on-call."""
    ids = None if credential_ids is None else list(credential_ids)
    rows = await connection.fetch(_READ, ids, list(runbooks.recipient_cases), list(SILENT_KINDS))
    found: dict[UUID, list[Trouble]] = {}
    for row in rows:
        title = rooms[row["integration"]].provider(row["provider"]).title
        lately = Lately(**{name: row[name] for name in Lately.__dataclass_fields__})
        found[row["credential_id"]] = judge_lately(lately, title, runbooks)
    return found


def judge_lately(lately: Lately, title: str, runbooks: Runbooks) -> list[Trouble]:
    """What was taken and lost, what was not answered and what was so late, while it is not over."""
    found = [
        _of_lost(lately, title, runbooks),
        _of_calls(lately, title, runbooks),
        _of_part(lately, title, runbooks),
        _of_slow(lately, title),
    ]
    return [one for one in found if one is not None]


def _of_lost(lately: Lately, title: str, runbooks: Runbooks) -> Trouble | None:
    ended = lately.arrived + lately.lost
    if (
        lately.lost < FEWEST
        or lately.lost < _PART_LOST * ended
        or lately.arrived_since >= _OVER_AFTER
    ):
        return None
    why, whose = _case(runbooks, lately.case_id)
    text = (
        f"{lately.lost} of {ended} messages that {title} took did not arrive in the last"
        f" {MINUTES} min{why}"
    )
    return Trouble("delivery", "Not arriving", "bad", text, whose)


def _case(runbooks: Runbooks, case_id: str | None) -> tuple[str, Whose | None]:
    try:
        case = runbooks.case(case_id) if case_id else None
    except LookupError:
        case = None
    if case is None:
        return "", None
    return f": {case.title} ({case.id})", _WHOSE.get(case.fault)


def _of_calls(lately: Lately, title: str, runbooks: Runbooks) -> Trouble | None:
    if not _fail(lately):
        return None
    mostly, part, _other = _sides(lately)
    how = (
        "were not answered"
        if lately.unanswered == lately.failed
        else f"failed at {title}, {lately.unanswered} of them without an answer"
        if lately.unanswered
        else f"failed at {title}"
    )
    last = f", the last at {lately.failed_at:%H:%M:%S} UTC" if lately.failed_at else ""
    why, whose = _case(runbooks, lately.ours_case if mostly == "ours" else lately.theirs_case)
    text = f"{lately.failed} of {lately.tried} calls {how} in the last {MINUTES} min{last}"
    in_part = lately.failed < lately.tried and lately.failed_since < _NONE_AFTER
    if lately.failed_since >= _NONE_AFTER and lately.well_at:
        text += f"; none of the {lately.failed_since} since {lately.well_at:%H:%M:%S} UTC went well"
    elif in_part:
        text += "; the others were answered"
    word = "Fails in part" if in_part else "Failing"
    if part:
        text += f"; mostly {mostly}"
    return Trouble("calls", word, "bad", text + why, whose or mostly)


def _fail(lately: Lately) -> bool:
    return not (
        lately.failed < FEWEST
        or lately.failed < _PART_FAILED * lately.tried
        or lately.well_since >= _OVER_AFTER
    )


def _sides(lately: Lately) -> tuple[Whose, int, Whose]:
    """Whose most of the failed calls are, and how many are the other side's, if so many are more
    than chance."""
    ours, theirs = lately.failed_ours, lately.failed - lately.failed_ours
    mostly: Whose = "ours" if ours > theirs else "theirs"
    other: Whose = "theirs" if mostly == "ours" else "ours"
    part = min(ours, theirs)
    return mostly, part if is_part(part, lately.failed) else 0, other


def is_part(part: int, failed: int) -> bool:
    """Whether so many of what failed are more than happens by chance."""
    return part >= max(_FEWEST_OF_PART, _PART_FAILED * failed)


def _of_part(lately: Lately, title: str, runbooks: Runbooks) -> Trouble | None:
    """The lesser part of what fails, if the other side has one: what is ours can be mended."""
    _mostly, part, other = _sides(lately)
    if not part or not _fail(lately):
        return None
    case_id = lately.ours_case if other == "ours" else lately.theirs_case
    why, _whose = _case(runbooks, case_id)
    text = f"{part} of the {lately.failed} calls that failed at {title} are {other}{why}"
    return Trouble("calls", f"Partly {other}", "bad", text, other, _now(runbooks, case_id, title))


def _now(runbooks: Runbooks, case_id: str | None, title: str) -> str | None:
    try:
        case = runbooks.case(case_id) if case_id else None
    except LookupError:
        case = None
    if case is None or case.fault is not Fault.OURS or case.now is None:
        return None
    return case.now.format(provider=title, practice="{practice}", endpoint="{endpoint}")


def _of_slow(lately: Lately, title: str) -> Trouble | None:
    slow_s, usual_s = lately.slow_s, lately.usual_s
    least = _SLOW_FOR_ANYBODY_S if usual_s is None else max(_SLOW_S, _SLOW_TIMES * usual_s)
    if slow_s is None or slow_s <= least:
        return None
    usually = f", usually {usual_s:.1f} s" if usual_s is not None else ""
    quick_at = lately.quick_at
    since = f"; the last quick one ended at {quick_at:%H:%M:%S} UTC" if quick_at else ""
    text = f"{title} takes {slow_s:.1f} s to answer a call{usually}{since}. What is sent goes, late"
    return Trouble("speed", "Slow", "warning", text, "theirs")
