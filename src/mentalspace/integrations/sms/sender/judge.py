"""What is said of a sender: may it text, will carriers take it, and do answers come here?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from mentalspace.integrations.sms.sender.expected import Sender
from mentalspace.kernel.checkup import Finding

_DAYS = "it takes days: begin now"


def judge(sender: Sender, provider: str) -> list[Finding]:
    """A finding for the account, the sender, its registration and its answers."""
    findings = [_account(sender, provider)]
    if not sender.account.may_send:
        return findings
    findings += [*_service(sender, provider), *_number(sender)]
    if all(finding.state != "bad" for finding in findings):
        findings += [_registration(sender), *_answers(sender, provider)]
    return findings


def _account(sender: Sender, provider: str) -> Finding:
    account = sender.account
    if not account.may_send:
        cure = f"open {provider}'s console: it says what it wants"
        return Finding("account", "bad", f"{provider} says: {account.status}", "ours", cure)
    if account.trial:
        text = "a trial: it reaches only numbers that were verified in its console"
        return Finding("account", "warning", text, "ours", f"upgrade it in {provider}'s console")
    return Finding("account", "good", f"{account.status}, not a trial")


def _service(sender: Sender, provider: str) -> Iterator[Finding]:
    if sender.service_missing:
        cure = f"set TWILIO_MESSAGING_SERVICE_SID to one that {provider}'s console lists"
        yield Finding("service", "bad", "the messaging service is not there", "ours", cure)
    elif sender.service is not None and not sender.service.numbers:
        text = f"{sender.service.sid} has no number to send from"
        yield Finding("service", "bad", text, "ours", "add the practice's number to its senders")
    elif sender.service is not None and sender.number not in (None, *sender.service.numbers):
        text = f"{sender.number} is not among the senders of {sender.service.sid}"
        cure = "add it, or texts leave from another number than the one clients know"
        yield Finding("service", "warning", text, "ours", cure)
    elif sender.service is not None:
        count = len(sender.service.numbers)
        text = f"{sender.service.sid} sends from {count} number{'s'[: count != 1]}"
        yield Finding("service", "good", text)


def _number(sender: Sender) -> Iterator[Finding]:
    if sender.number is None:
        return
    if not sender.exists:
        cure = "set TWILIO_PHONE_NUMBER to a number of this account, as +12025550123"
        text = f"{sender.number} is no number of this account"
        yield Finding("sender", "bad", text, "ours", cure)
    elif not sender.can_text:
        cure = "choose one that can text, and register it before it sends"
        text = f"{sender.number} cannot send texts"
        yield Finding("sender", "bad", text, "ours", cure)
    else:
        yield Finding("sender", "good", f"{sender.number}, a {sender.kind}, can text")


def _registration(sender: Sender) -> Finding:
    found = sender.registration
    word = f" ({found.word})" if found.word else ""
    match found.standing:
        case "needless" | "approved":
            text = f"{found.of} approved{word}" if found.standing == "approved" else found.of
            return Finding("registration", "good", text)
        case "pending":
            text = f"{found.of} is being looked at{word}: carriers may refuse texts until then"
            return Finding("registration", "warning", text, "theirs")
        case "refused":
            cure = "read why in the console, mend it, and submit it again"
            return Finding("registration", "bad", f"{found.of} refused{word}", "ours", cure)
        case "missing":
            text = f"no {found.of}: carriers refuse our texts"
            return Finding("registration", "bad", text, "ours", f"register; {_DAYS}")
    assert_never(found.standing)


def _answers(sender: Sender, provider: str) -> Iterator[Finding]:
    """An answer that goes elsewhere is a STOP that nobody obeys."""
    if sender.we_listen_at is None or not sender.exists:
        return
    if sender.answers_go_to == sender.we_listen_at:
        yield Finding("answers", "good", "what people answer comes here")
        return
    where = "nowhere" if not sender.answers_go_to else "elsewhere"
    text = f"what people answer goes {where}: nobody hears a STOP"
    cure = f"set the number's incoming message webhook at {provider} to {sender.we_listen_at}"
    yield Finding("answers", "bad", text, "ours", cure)
