"""Taking mails: one or a batch, once per idempotency key, now or later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted, Step, digest_of
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.domains import check_sender, tracking_of
from mentalspace.integrations.email.resend.sandbox.endpoints import tell
from mentalspace.integrations.email.resend.sandbox.errors import Problem, invalid
from mentalspace.integrations.email.resend.sandbox.fate import (
    TEST_DOMAIN,
    fate_of,
    read_by,
    steps_of,
)
from mentalspace.integrations.email.resend.sandbox.limits import check_quota
from mentalspace.integrations.email.resend.sandbox.mail import (
    as_list,
    attachments_of,
    check_mail,
    domain_of,
)
from mentalspace.integrations.email.resend.sandbox.schedule import instant_of
from mentalspace.integrations.email.resend.sandbox.suppressions import suppress, suppressed
from mentalspace.integrations.email.resend.sandbox.templates import filled
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit
from mentalspace.integrations.email.resend.sandbox.words import (
    PROVIDER,
    ROOM,
    Json,
    message_id,
    new_id,
    stamp,
)

MOST_IN_BATCH = 100
# A larger file is known by its size alone, so that the sandbox's memory holds many mails.
KEPT_BYTES = 256 * 1024


def plan(kit: Kit, team: Account, content: Json, at: datetime) -> tuple[Step, ...]:
    """What becomes of a mail that is sent at `at`: that of the recipient who fares worst."""
    why = {to: suppressed(kit, team, to, at) for to in content["to"]}
    fates = {
        fate_of(kit, team, to, is_suppressed=why[to] is not None): to
        for to in reversed(content["to"])
    }
    if len(fates) > 1:
        fates.pop("delivered", None)
    fate, address = next(reversed(fates.items()))
    if fate == "delivered" and domain_of(address) != TEST_DOMAIN:
        opens, clicks = tracking_of(kit, team, content["from"])
        if opens or clicks:
            fate = read_by(kit, team, address, opens=opens, clicks=clicks)
    return steps_of(kit, team, fate, at, why[address])


def report(kit: Kit, team: Account, item: Accepted, steps: Sequence[Step]) -> None:
    """Tell the team's webhooks of these steps, and suppress whom they say to suppress."""
    news = [
        News(
            message_id(),
            step.kind,
            json.dumps(_event(item, step)),
            datetime.fromisoformat(step.at),
            item.id,
        )
        for step in steps
        if step.kind != "email.canceled"  # no webhook tells of it
    ]
    tell(kit, team, news)
    for step in steps:
        hard = step.details.get("bounce", {}).get("type") == "Permanent"
        if hard or step.kind == "email.complained":
            fate, origin = ("bounced", "bounce") if hard else ("complained", "complaint")
            for address in item.content["to"]:
                if fate_of(kit, team, address) == fate and domain_of(address) != TEST_DOMAIN:
                    at = datetime.fromisoformat(step.at)
                    suppress(kit, team, address, origin, at, item.id)


# source: https://resend.com/docs/dashboard/emails/idempotency-keys
def _once(visit: Visit) -> Reply:
    """Send, unless this key has been answered for the same payload in the last 24 hours."""
    body = visit.json()
    key = visit.call.headers.get("idempotency-key")
    send = _send_batch if visit.call.path.rstrip("/").endswith("/batch") else _send_one
    if key is None:
        return send(visit, body)
    if not 1 <= len(key) <= 256:
        raise Problem(400, "invalid_idempotency_key")
    fingerprint = digest_of([visit.call.path.rstrip("/"), body])
    earlier = visit.kit.keys.recall(visit.team.id, key)
    if earlier is None:
        reply = send(visit, body)
        visit.kit.keys.remember(visit.team.id, key, fingerprint, reply.http, reply.body)
        return reply
    if earlier.fingerprint != fingerprint:
        raise Problem(409, "invalid_idempotent_request")
    typed = {"content-type": "application/json; charset=utf-8"}
    return Reply(earlier.http, earlier.body, typed, replayed=True)


def _send_one(visit: Visit, body: Any) -> Reply:
    email = _checked(visit, body)
    check_quota(visit, [email])
    email_id = _accept(visit, email)
    return json_reply(200, {"id": email_id}, accepted=(email_id,))


# source: https://resend.com/docs/api-reference/emails/send-batch-emails
def _send_batch(visit: Visit, body: Any) -> Reply:
    if not isinstance(body, list) or not 1 <= len(body) <= MOST_IN_BATCH:
        raise invalid("Send from 1 to 100 emails in one batch.")
    permissive = visit.call.headers.get("x-batch-validation") == "permissive"
    good: list[Json] = []
    errors: list[Json] = []
    for index, email in enumerate(body):
        try:
            good.append(_checked(visit, email, in_batch=True))
        except Problem as problem:
            if not permissive:
                raise
            errors.append({"index": index, "message": problem.message})
    check_quota(visit, good)
    ids = tuple(_accept(visit, email) for email in good)
    payload: Json = {"data": [{"id": email_id} for email_id in ids]}
    if permissive:
        payload["errors"] = errors
    return json_reply(200, payload, accepted=ids)


def _checked(visit: Visit, email: Any, *, in_batch: bool = False) -> Json:
    """The mail as it will be sent. Raises the Problem of one that will not be."""
    check_mail(email, in_batch=in_batch)
    mail = filled(visit.kit, visit.team, email)
    if mail is not email:
        check_mail({**mail, "template": None}, in_batch=in_batch)
    check_sender(visit.kit, visit.team, mail["from"], mail["to"])
    if mail.get("scheduled_at") is None:
        return mail
    # Whether both go together is not documented; an older page said no.
    if mail.get("attachments") and not visit.option("schedule_with_attachments"):
        raise invalid("Emails with attachments cannot be scheduled.")
    return {**mail, "scheduled_at": instant_of(mail["scheduled_at"], visit.now).isoformat()}


def _accept(visit: Visit, email: Json) -> str:
    kit, team, now = visit.kit, visit.team, visit.now
    content = {**email, "to": as_list(email["to"])}
    for field in ("cc", "bcc", "reply_to"):
        content[field] = as_list(email.get(field))
    content["attachments"] = [
        {"id": new_id(), **file, "content": file["content"] if file["size"] <= KEPT_BYTES else None}
        for file in attachments_of(email)
    ]
    later = content.get("scheduled_at")
    steps = plan(kit, team, content, datetime.fromisoformat(later) if later else now)
    waits = (Step("email.scheduled", now.isoformat()),) if later else ()
    said = [content["to"], content["subject"], content.get("html"), content.get("text")]
    item = Accepted(
        id=new_id(),
        room=ROOM,
        provider=PROVIDER,
        account=team.id,
        at=now.isoformat(),
        digest=digest_of(said),
        content=content,
        steps=(*waits, *steps),
    )
    kit.outbox.add(item)
    if waits:  # apart, so that a fault which reorders does so among what happens together
        report(kit, team, item, waits)
    report(kit, team, item, steps)
    return item.id


def _event(item: Accepted, step: Step) -> Json:
    """A webhook's body. source: https://resend.com/docs/webhooks/event-types"""
    content = item.content
    data: Json = {
        "created_at": stamp(datetime.fromisoformat(item.at)),
        "email_id": item.id,
        "message_id": f"<{item.id}@sandbox.resend.dev>",
        "from": content["from"],
        "to": content["to"],
        "subject": content["subject"],
        **step.details,
    }
    if content.get("tags"):
        data["tags"] = {tag["name"]: tag.get("value", "") for tag in content["tags"]}
    if content.get("headers"):
        data["headers"] = [{"name": n, "value": v} for n, v in content["headers"].items()]
    if content.get("template"):
        data["template_id"] = content["template"]["id"]
    return {"type": step.kind, "created_at": stamp(datetime.fromisoformat(step.at)), "data": data}


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/emails", _once),
    ("POST", "/emails/batch", _once),
)
