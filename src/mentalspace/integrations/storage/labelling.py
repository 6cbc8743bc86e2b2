"""Puts the label of 42 CFR Part 2 on a file that is here, and takes it off.

The database decides who may: staff put it on, administrators take it off.
"""

from __future__ import annotations

from mentalspace.integrations.storage.desk import Desk
from mentalspace.integrations.storage.notice import Label
from mentalspace.integrations.storage.refusal import (
    BAD_REQUEST,
    NO_OBJECT,
    NOT_ALLOWED,
    Refused,
)
from mentalspace.integrations.storage.store import objects
from mentalspace.integrations.storage.store.acting import (
    Deed,
    acting,
    write_down,
    write_refusal_down,
)
from mentalspace.integrations.storage.store.objects import Stored

LABELLING, UNLABELLING = "object.label", "object.unlabel"
SHORTEST_REASON, LONGEST_REASON = 10, 300
# What says that it is staff's, or an administrator's, in place of a policy.
_GUARD = "storage.guard_label"
_WHO = {
    "document_labelled": "Staff who may change the file label it",
    "document_unlabelled": "Only an administrator takes a label off",
}


async def label_file(desk: Desk, deed: Deed, place: tuple[str, str], label: Label) -> Stored:
    """The file as it was. Twice is no mistake. Raises Refused."""
    return await _change(desk, deed, place, label, "document_labelled", label=label)


async def take_label_off(desk: Desk, deed: Deed, place: tuple[str, str], reason: str) -> Stored:
    """The file as it was. The reason stands in the audit. Raises Refused, also without one."""
    said = reason_of(reason)
    return await _change(desk, deed, place, None, "document_unlabelled", reason=said)


def reason_of(given: str) -> str:
    """In one line. Raises Refused for what says nothing."""
    said = " ".join(given.split())
    if not SHORTEST_REASON <= len(said) <= LONGEST_REASON or not said.isprintable():
        text = f"reason: say why in {SHORTEST_REASON} to {LONGEST_REASON} characters; it is kept"
        raise Refused(BAD_REQUEST, text)
    return said


async def _change(
    desk: Desk, deed: Deed, place: tuple[str, str], new: Label | None, action: str, **data: str
) -> Stored:
    try:
        async with acting(desk.database, deed) as connection:
            found = await objects.find(connection, *place)
            if found is None:
                raise Refused(NO_OBJECT)
            if found.label != new:
                if not await objects.set_label(connection, found.id, new):
                    raise Refused(NOT_ALLOWED)
                await write_down(
                    desk.database, connection, deed, action,
                    subject=found.id, bucket=found.bucket_id, **data,
                )  # fmt: skip
            return found
    except Refused as error:
        if error.refusal is NOT_ALLOWED:
            await write_refusal_down(desk.database, deed, "update", *place, policy=_GUARD)
            raise Refused(NOT_ALLOWED, _WHO[action]) from error
        await write_refusal_down(desk.database, deed, "select", *place)
        raise
