"""The fleet: how each credential of each integration is doing now and in the last hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mentalspace.console.chart import Bucket, Chart, draw
from mentalspace.console.queries import fleet_sql as sql
from mentalspace.console.queries.card_state import URGENCY, Told, states_of
from mentalspace.console.words import State
from mentalspace.engine.db import Connection
from mentalspace.engine.mornings import Morning, read_mornings
from mentalspace.engine.taken import Taken, read_taken
from mentalspace.workflows.doctor.touched import Touched, read_touched

BUCKETS = 12
# More credentials than these are no page: those that are well are told together, room by room.
CROWD = 12
# Of an outage that touches everybody so many stand as cards, and the others are counted.
MOST_CARDS = 24
# Due for so long and still here is told, whatever the last calls said.
STUCK_AFTER = timedelta(minutes=5)
# Below this a percentage says more than is known.
ENOUGH = 20


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Messages of the last hour: those `taken`, and whatever was tried in it and not taken.
    `recipient` failed by nobody's fault of ours or theirs; of the `failed` so many were `lost`:
    taken first, and then not brought."""

    taken: Taken = field(default_factory=Taken)
    not_taken: int = 0
    not_taken_recipient: int = 0
    unfinished: int = 0

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(
            self.taken + other.taken,
            self.not_taken + other.not_taken,
            self.not_taken_recipient + other.not_taken_recipient,
            self.unfinished + other.unfinished,
        )

    @property
    def delivered(self) -> int:
        return self.taken.delivered

    @property
    def accepted(self) -> int:
        return self.taken.quiet

    @property
    def failed(self) -> int:
        return self.not_taken + self.taken.lost

    @property
    def recipient(self) -> int:
        return self.not_taken_recipient + self.taken.recipient

    @property
    def judged(self) -> int:
        """How many say anything of the integration: the recipient's faults do not."""
        return self.delivered + self.accepted + self.failed

    @property
    def share(self) -> str | None:
        """The share that a provider took, rounded down; None where there are too few to say."""
        if self.judged < ENOUGH:
            return None
        return f"{int((self.judged - self.not_taken) / self.judged * 1000) / 10:g} %"


@dataclass(frozen=True, slots=True)
class Card:
    """`state` is the worst that is said of it; `also` whatever else there is to say."""

    credential: Any
    state: State
    lanes: Sequence[Any]
    backlog: Any | None
    later: int
    touched: Touched
    outcomes: Outcomes
    chart: Chart
    also: Sequence[State] = ()
    morning: Morning | None = None


@dataclass(frozen=True, slots=True)
class Calm:
    """Credentials of one integration that need nobody, told together; while nothing is sent at all
    they are not `well`."""

    integration: str
    number: int
    practices: int
    outcomes: Outcomes
    last_good_at: datetime | None
    well: bool = True


@dataclass(frozen=True, slots=True)
class More:
    """Credentials that are no better than those that have cards, told together."""

    integration: str
    state: State
    number: int
    practices: int


@dataclass(frozen=True, slots=True)
class Fleet:
    cards: Sequence[Card]
    calm: Sequence[Calm]
    rooms: Sequence[str]
    more: Sequence[More] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A credential, and what decides whether anybody must look at it."""

    credential: Any
    states: Sequence[State]
    lanes: Sequence[Any]
    backlog: Any | None
    outcomes: Outcomes

    @property
    def stuck(self) -> bool:
        """What is due does not leave. Of what is held or unknown alone nobody can say."""
        return self.backlog is not None and bool(self.backlog["stuck"])

    @property
    def rests(self) -> bool:
        return self.backlog is not None and bool(self.backlog["resting"])

    @property
    def is_calm(self) -> bool:
        return URGENCY[self.states[0].tone] == URGENCY["ok"] and not self.stuck


async def read_fleet(
    connection: Connection,
    recipient_cases: Sequence[str],
    told: Told,
    room: str | None = None,
) -> Fleet:
    """A card for each credential in use, worst first: of a crowd, for those that are not calm, and
    no more than a page holds. All of `room`, where it is asked for. What was `told` of them weighs
    as the doctor weighs it."""
    rows = await connection.fetch(sql.CREDENTIALS)
    seen = await _look(connection, rows, recipient_cases, told)
    shown = seen
    if room is not None:
        shown = [each for each in seen if each.credential["integration"] == room]
    elif len(seen) > CROWD:
        shown = sorted(
            (each for each in seen if not each.is_calm),
            key=lambda each: (URGENCY[each.states[0].tone], not each.stuck),
        )
    more = shown[MOST_CARDS:] if room is None else []
    calm = () if room is not None or shown is seen else _calm(each for each in seen if each.is_calm)
    return Fleet(
        cards=await _cards(connection, shown[:MOST_CARDS] if more else shown),
        calm=calm,
        more=_more(more),
        rooms=sorted({row["integration"] for row in rows}),
    )


async def _look(
    connection: Connection,
    rows: Sequence[Any],
    recipient_cases: Sequence[str],
    told: Told,
) -> list[_Seen]:
    ids = [row["id"] for row in rows]
    lanes = _by_credential(await connection.fetch(sql.PAUSED, ids))
    waiting = await connection.fetch(sql.BACKLOG, ids, STUCK_AFTER)
    backlog = {row["credential_id"]: row for row in waiting}
    taken = await read_taken(connection, ids, recipient_cases, sorted(told.silent))
    untaken = _by_credential(await connection.fetch(sql.NOT_TAKEN, ids, list(recipient_cases)))
    return [
        _Seen(
            credential=row,
            states=states_of(row, lanes[row["id"]], backlog.get(row["id"]), told),
            lanes=lanes[row["id"]],
            backlog=backlog.get(row["id"]),
            outcomes=_outcomes(taken.get(row["id"], Taken()), untaken[row["id"]]),
        )
        for row in rows
    ]


async def _cards(connection: Connection, shown: Sequence[_Seen]) -> list[Card]:
    ids = [each.credential["id"] for each in shown]
    tries = _by_credential(await connection.fetch(sql.TRIES, ids, BUCKETS))
    later = {row["credential_id"]: row["number"] for row in await connection.fetch(sql.LATER, ids)}
    touched = await read_touched(connection, ids)
    resting = [each.credential["id"] for each in shown if each.rests]
    mornings = await read_mornings(connection, resting) if resting else {}
    cards = [
        Card(
            credential=each.credential,
            state=each.states[0],
            also=each.states[1:],
            lanes=each.lanes,
            backlog=each.backlog,
            later=later.get(each.credential["id"], 0),
            touched=touched.get(each.credential["id"], Touched()),
            outcomes=each.outcomes,
            chart=draw(_buckets(tries[each.credential["id"]])),
            morning=mornings.get(each.credential["id"]),
        )
        for each in shown
    ]
    return sorted(cards, key=lambda card: URGENCY[card.state.tone])


def _more(seen: Iterable[_Seen]) -> list[More]:
    groups: defaultdict[tuple[str, str], list[_Seen]] = defaultdict(list)
    for each in seen:
        groups[each.credential["integration"], each.states[0].word].append(each)
    return [
        More(room, group[0].states[0], len(group), _practices(group))
        for (room, _word), group in groups.items()
    ]


def _practices(group: Iterable[_Seen]) -> int:
    return len({each.credential["practice_id"] for each in group})


def _calm(seen: Iterable[_Seen]) -> list[Calm]:
    rooms: defaultdict[str, list[_Seen]] = defaultdict(list)
    for each in seen:
        rooms[each.credential["integration"]].append(each)
    return [
        Calm(
            integration=room,
            number=len(group),
            practices=_practices(group),
            outcomes=sum((each.outcomes for each in group), Outcomes()),
            last_good_at=max(
                (at for each in group if (at := each.credential["last_good_at"])), default=None
            ),
        )
        for room, group in sorted(rooms.items())
    ]


def _by_credential(rows: Iterable[Any]) -> defaultdict[UUID, list[Any]]:
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row["credential_id"]].append(row)
    return found


def _outcomes(taken: Taken, untaken: Iterable[Any]) -> Outcomes:
    counts: dict[str, int] = defaultdict(int)
    for row in untaken:
        counts[_outcome(row["status"], row["by_recipient"])] += row["number"]
    return Outcomes(taken, **counts)


def _outcome(status: str, by_recipient: bool | None) -> str:
    if status in ("refused", "failed", "expired"):
        return "not_taken_recipient" if by_recipient else "not_taken"
    return "unfinished"


def _buckets(rows: Iterable[Any]) -> list[Bucket]:
    """Oldest first; `age` counts five-minute steps back from now."""
    buckets = [Bucket(0, 0, 0)] * BUCKETS
    for row in rows:
        place = BUCKETS - 1 - max(row["age"], 0)
        buckets[place] = Bucket(row["good"], row["recipient"], row["bad"])
    return buckets
