"""What goes in one request: one delivery, or a batch of a lane's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from mentalspace.engine.claim import Claimed, LeftBatch
from mentalspace.kernel.ids import child_traceparent, new_traceparent
from mentalspace.kernel.integration import Batch, Provider

# Taken up more often without an end, it goes by itself: if it is what stops workers, it must not
# take others with it.
BATCH_STARTS = 2


@dataclass(frozen=True, slots=True)
class Parcel:
    """One request to be made. `members` are in hand; `payloads` are the whole request.

    They differ when an unknown batch is repeated some of whose members are with somebody else.
    `places` says where in the request each member stands. `batch_id` is the attempt that first
    carried the batch, which for a new one is this; None for a single delivery. One that `repeats`
    asks for an unknown outcome, `age_s` after it first left, `send_age_s` after it last did.
    `weight` is its part of the rate.
    """

    attempt_id: UUID
    key: str
    members: tuple[Claimed, ...]
    places: tuple[int, ...]
    payloads: tuple[bytes, ...]
    traceparent: str
    batch_id: UUID | None = None
    repeats: bool = False
    age_s: float = 0.0
    send_age_s: float = 0.0
    weight: int = 1

    @property
    def first(self) -> Claimed:
        return self.members[0]

    def __len__(self) -> int:
        return len(self.members)


def pack(
    claimed: Iterable[Claimed], provider: Provider, left: Mapping[UUID, LeftBatch]
) -> list[Parcel]:
    """The requests that carry these, in the order in which their first members were due.

    `left` are the batches with an unknown outcome. They are repeated whole, to the letter. The
    rest goes in new batches where the provider takes them; a drill's never with another's, and
    what may go without an agreement never with what may not.
    """
    batch = provider.batch
    singles: list[Claimed] = []
    together: dict[tuple[str | None, bool], list[Claimed]] = {}
    again: dict[UUID, list[Claimed]] = {}
    for each in claimed:
        if each.batch_id is not None and not _released_late(each, batch, left):
            again.setdefault(each.batch_id, []).append(each)
        elif batch is not None and _may_join(each, batch):
            together.setdefault((each.drill, each.carries_phi), []).append(each)
        else:
            singles.append(each)
    parcels = [_single(each, provider.weight(each.payload)) for each in singles]
    for group in together.values():
        assert batch is not None
        parcels += [_batch(part, provider) for part in _parts(group, batch.most)]
    parcels += [_repeated(members, left[batch_id]) for batch_id, members in again.items()]
    return sorted(parcels, key=lambda parcel: min(m.next_attempt_at for m in parcel.members))


def _may_join(each: Claimed, batch: Batch) -> bool:
    return (
        not each.was_unknown
        and not each.alone
        and not each.bypass_guard
        and not each.expires_soon
        and each.starts <= BATCH_STARTS
        and batch.fits(each.payload)
    )


def _released_late(each: Claimed, batch: Batch | None, left: Mapping[UUID, LeftBatch]) -> bool:
    """A person let it go on after the provider had forgotten the batch: it goes by itself."""
    age_s = left[each.batch_id].age_s if each.batch_id else 0.0
    forgotten = batch is None or age_s >= batch.key_lasts.total_seconds()
    return each.released and forgotten


def _parts(group: Sequence[Claimed], most: int) -> Iterable[Sequence[Claimed]]:
    return (group[start : start + most] for start in range(0, len(group), most))


def _single(each: Claimed, weight: int) -> Parcel:
    return Parcel(
        attempt_id=uuid4(),
        key=each.idempotency_key,
        members=(each,),
        places=(0,),
        payloads=(each.payload,),
        traceparent=child_traceparent(each.traceparent),
        repeats=each.was_unknown,
        age_s=each.first_attempt_age_s,
        send_age_s=each.last_send_age_s,
        weight=weight,
    )


def _batch(members: Sequence[Claimed], provider: Provider) -> Parcel:
    if len(members) == 1:
        return _single(members[0], provider.weight(members[0].payload))
    attempt_id = uuid4()
    return Parcel(
        attempt_id=attempt_id,
        key=f"batch/{attempt_id}",
        members=tuple(members),
        places=tuple(range(len(members))),
        payloads=tuple(member.payload for member in members),
        traceparent=new_traceparent(),
        batch_id=attempt_id,
    )


def _repeated(members: Sequence[Claimed], left: LeftBatch) -> Parcel:
    return Parcel(
        attempt_id=uuid4(),
        key=left.key,
        members=tuple(members),
        places=tuple(left.places[member.id] for member in members),
        payloads=left.payloads,
        traceparent=new_traceparent(),
        batch_id=left.id,
        repeats=True,
        age_s=left.age_s,
    )
