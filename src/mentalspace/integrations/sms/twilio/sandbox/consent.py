"""Whom an account's senders may not text any more, by the words people answer with."""

from __future__ import annotations

from datetime import datetime

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.integrations.sms.twilio.sandbox.words import option

THING = "opted_out"

# source: https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
STOP = frozenset("STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT".split())
START = frozenset("START UNSTOP YES".split())
HELP = frozenset("HELP INFO".split())
# The replies a number gives that nobody has given its own.
REPLIES = {
    "STOP": "You have successfully been unsubscribed. You will not receive any more messages from "
    "this number. Reply START to resubscribe.",
    "START": "You have successfully been re-subscribed to messages from this number. Reply HELP "
    "for help. Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


def opted_out(kit: Kit, account: Account, sender: str, to: str) -> bool:
    """By now; an answer that is still ahead counts for nothing."""
    item = kit.shelf.get(account.id, THING, f"{sender} {to}")
    return item is not None and item["at"] <= kit.clock.now().isoformat()


def keyword_of(body: str) -> str | None:
    """STOP, START or HELP, if the whole message is one of its words."""
    word = body.strip().upper()
    for name, words in (("STOP", STOP), ("START", START), ("HELP", HELP)):
        if word in words:
            return name
    return None


def heed(
    kit: Kit, account: Account, sender: str, person: str, keyword: str, at: datetime
) -> str | None:
    """Do what the word asks for; the automatic reply, if there is one."""
    if option(kit, account, "opt_out_handling") != "twilio":
        return None
    where = f"{sender} {person}"
    out = opted_out(kit, account, sender, person)
    if keyword == "STOP":
        if out:
            return None
        kit.shelf.put(account.id, THING, where, {"at": at.isoformat()})
    elif keyword == "START":
        if not out:
            return None
        kit.shelf.remove(account.id, THING, where)
    return REPLIES[keyword]
