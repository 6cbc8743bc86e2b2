"""Taking a message: checked as Twilio does, queued for its sender, and its fate laid down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from mentalspace.emulator.outbox import Accepted, Step, digest_of
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.sms.twilio.sandbox import magic
from mentalspace.integrations.sms.twilio.sandbox.callbacks import report
from mentalspace.integrations.sms.twilio.sandbox.consent import opted_out
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.fate import answer_of, fate_of, steps_of
from mentalspace.integrations.sms.twilio.sandbox.inbound import hear
from mentalspace.integrations.sms.twilio.sandbox.message import shown
from mentalspace.integrations.sms.twilio.sandbox.numbers import normal
from mentalspace.integrations.sms.twilio.sandbox.pace import free_after
from mentalspace.integrations.sms.twilio.sandbox.segments import segments_of
from mentalspace.integrations.sms.twilio.sandbox.senders import sender_of, services_of
from mentalspace.integrations.sms.twilio.sandbox.site import local
from mentalspace.integrations.sms.twilio.sandbox.visit import Visit
from mentalspace.integrations.sms.twilio.sandbox.words import PROVIDER, ROOM, Json, is_test, new_sid
from mentalspace.kernel.errors import Refused

MOST_LETTERS = 1600
MOST_MEDIA = 10
MOST_VALIDITY_S = 36_000
# source: https://www.twilio.com/docs/api/errors/35114; 15 minutes on older pages, 5 on newer ones
MOST_AHEAD = timedelta(days=35)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's fields, checked as far as they stand alone; `send_at` None is now."""

    to: str
    sender: str
    service: str
    body: str
    callback: str
    validity_s: int
    send_at: datetime | None


# source: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
def create(visit: Visit) -> Reply:
    asked = _asked(visit)
    item = _tried(visit, asked) if is_test(visit.account) else _taken(visit, asked)
    visit.kit.outbox.add(item)
    report(visit.kit, visit.account, item, item.steps[1:])
    if answer := item.content.get("answer"):
        person, sender = item.content["to"], item.content["from"]
        there_at = datetime.fromisoformat(item.steps[-1].at)
        hear(visit.kit, visit.account, person, sender, answer, there_at)
    return json_reply(201, shown(visit, item, fresh=True), accepted=(item.id,))


def _tried(visit: Visit, asked: Asked) -> Accepted:
    """With test credentials: answered as if it were sent, and nothing follows."""
    sender, to = magic.check(asked.sender, asked.to)
    steps = (Step("message.queued", visit.now.isoformat()),)
    notes = {"Note": "[TEST MODE] Would send SMS"}
    return _item(visit, asked, sender, to, steps, headers=notes)


def _taken(visit: Visit, asked: Asked) -> Accepted:
    kit, account, now = visit.kit, visit.account, visit.now
    to = normal(asked.to)
    if to is None:
        raise Problem(21211, f"Invalid 'To' Phone Number: {asked.to}")
    sender = sender_of(kit, account, asked.sender, asked.service, to)
    _check_recipient(visit, sender, to)
    fate = fate_of(kit, account, to, asked.body)
    if fate == "delivered" and not _registered(visit, asked.service):
        fate = "30034"
    segments = segments_of(asked.body)
    per_s = float(visit.option("segments_per_s"))
    if asked.send_at is not None:
        states: tuple[str, ...] = ("scheduled",)
        steps = steps_of(
            kit,
            account,
            fate,
            states=states,
            begins_at=now,
            leaves_at=asked.send_at,
            validity_s=int(MOST_AHEAD.total_seconds()),
        )
        return _item(visit, asked, sender, to, steps)
    if visit.option("over_rate") == "refuse":
        if not visit.pace.fits(account, sender, segments, per_s):
            raise Problem(20429)
        leaves_at = now
    else:
        leaves_at = visit.pace.leaves_at(account, sender, now)
    if leaves_at - now > timedelta(hours=visit.option("queue_hours")):
        if not asked.service:
            raise Problem(21611)
        fate, leaves_at = "30001", now
    steps = steps_of(
        kit,
        account,
        fate,
        states=("accepted", "queued") if asked.service else ("queued",),
        begins_at=now,
        leaves_at=leaves_at,
        validity_s=asked.validity_s,
    )
    free_at = free_after(leaves_at, segments, per_s).isoformat()
    return _item(visit, asked, sender, to, steps, free_at=free_at, answer=answer_of(fate))


def _item(
    visit: Visit, asked: Asked, sender: str, to: str, steps: tuple[Step, ...], **further: object
) -> Accepted:
    content: Json = {
        "from": sender,
        "to": to,
        "text": asked.body,
        "service": asked.service,
        "callback": asked.callback,
        "segments": segments_of(asked.body),
        "direction": "outbound-api",
        **further,
    }
    if asked.send_at is not None:
        content["scheduled_at"] = asked.send_at.isoformat()
    return Accepted(
        id=new_sid("SM"),
        room=ROOM,
        provider=PROVIDER,
        account=visit.account.id,
        at=visit.now.isoformat(),
        digest=digest_of([to, asked.body]),
        content=content,
        steps=steps,
    )


def _check_recipient(visit: Visit, sender: str, to: str) -> None:
    if not to.startswith(tuple(f"+{code}" for code in visit.option("countries"))):
        raise Problem(21408)
    if visit.option("trial") and to not in visit.option("verified"):
        raise Problem(21608)
    if opted_out(visit.kit, visit.account, sender, to):
        raise Problem(21610)


def _registered(visit: Visit, service_sid: str) -> bool:
    """Whether the sender may text Americans; by its service's campaign, or the account's."""
    service = services_of(visit.kit, visit.account).get(service_sid, {})
    return str(service.get("campaign_status", visit.option("campaign_status"))) == "VERIFIED"


def _asked(visit: Visit) -> Asked:
    form = visit.form()
    fields = {name: values[-1].strip() for name, values in form.items()}
    body = form.get("Body", [""])[-1]
    if not fields.get("To"):
        raise Problem(21604)
    media = form.get("MediaUrl", [])
    if len(media) > MOST_MEDIA:
        raise Problem(21623)
    if media:
        raise Problem(21620, "Invalid media URL(s): a sandbox fetches nothing")
    if not body.strip():
        raise Problem(21602)
    if len(body) > MOST_LETTERS:
        raise Problem(21617)
    sender, service = fields.get("From", ""), fields.get("MessagingServiceSid", "")
    if sender.startswith("MG"):
        sender, service = "", sender
    return Asked(
        to=fields["To"],
        sender=sender,
        service=service,
        body=body,
        callback=_callback(visit, fields.get("StatusCallback", "")),
        validity_s=_validity(fields.get("ValidityPeriod", "")),
        send_at=_send_at(visit, fields, service),
    )


def _callback(visit: Visit, url: str) -> str:
    if not url:
        return ""
    if urlsplit(url).scheme not in ("http", "https"):
        raise Problem(21609)
    try:
        visit.kit.accounts.check_url(local(visit.account, url))
    except Refused as error:
        raise Problem(21609, f"The 'StatusCallback' URL is not a valid URL: {error}") from error
    return url


def _validity(given: str) -> int:
    if not given:
        return MOST_VALIDITY_S
    if not given.isdigit() or not 1 <= int(given) <= MOST_VALIDITY_S:
        raise Problem(20001, f"ValidityPeriod must be between 1 and {MOST_VALIDITY_S} seconds")
    return int(given)


# source: https://www.twilio.com/docs/messaging/features/message-scheduling
def _send_at(visit: Visit, fields: dict[str, str], service: str) -> datetime | None:
    kind, given = fields.get("ScheduleType", ""), fields.get("SendAt", "")
    if not kind and not given:
        return None
    if kind and kind != "fixed":
        raise Problem(35115)
    if not given:
        raise Problem(35111)
    if not service:
        raise Problem(35118)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise Problem(35114) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    least = timedelta(seconds=visit.option("schedule_ahead_s"))
    if not least <= moment - visit.now <= MOST_AHEAD:
        raise Problem(35114)
    return moment
