"""The telephones that an account's texts reach: their conversations, and answering on them."""

from __future__ import annotations

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted
from mentalspace.emulator.role import Bubble, Conversation
from mentalspace.integrations.sms.twilio.sandbox.inbound import side_messages
from mentalspace.integrations.sms.twilio.sandbox.words import PROVIDER, ROOM

# What a telephone never showed.
UNSEEN = frozenset({"failed", "undelivered", "canceled", "scheduled"})


def conversations(kit: Kit) -> list[Conversation]:
    """The newest first, over all accounts."""
    found: dict[tuple[str, str, str], Bubble] = {}
    for account in kit.accounts.all():
        if (account.room, account.provider) != (ROOM, PROVIDER):
            continue
        for item in reversed(_items(kit, account)):
            key = (account.id, *_ends(item))
            if key not in found:
                found[key] = _bubble(kit, item)
    ordered = sorted(found.items(), key=lambda pair: pair[1].at, reverse=True)
    return [Conversation(*key, last) for key, last in ordered]


def thread(kit: Kit, account: Account, phone: str, number: str) -> list[Bubble]:
    """Oldest first."""
    return [_bubble(kit, item) for item in _items(kit, account) if _ends(item) == (phone, number)]


def _items(kit: Kit, account: Account) -> list[Accepted]:
    """Oldest first; what is still ahead is left out."""
    out = reversed(kit.outbox.items(account=account.id))
    now = kit.clock.now().isoformat()
    found = [i for i in (*out, *side_messages(kit, account)) if not i.content.get("deleted")]
    return sorted((item for item in found if item.at <= now), key=lambda item: item.at)


def _ends(item: Accepted) -> tuple[str, str]:
    """The person's telephone, and the account's number."""
    sender, to = item.content["from"], item.content["to"]
    return (sender, to) if item.content["direction"] == "inbound" else (to, sender)


def _bubble(kit: Kit, item: Accepted) -> Bubble:
    steps = item.so_far(kit.clock.now()) or list(item.steps[:1])
    state = steps[-1].kind.rpartition(".")[2]
    code = steps[-1].details.get("error", {}).get("code")
    return Bubble(
        id=item.id,
        at=item.at,
        body=item.content["text"],
        mine=item.content["direction"] == "inbound",
        state=f"{state} ({code})" if code else state,
        segments=item.content["segments"],
        seen=state not in UNSEEN,
    )
