"""Mails that were taken: read, listed, shared, moved and cancelled."""

from __future__ import annotations

import re
from datetime import timedelta

from mentalspace.emulator.outbox import Accepted, Step
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.errors import invalid, missing, not_found
from mentalspace.integrations.email.resend.sandbox.schedule import instant_of
from mentalspace.integrations.email.resend.sandbox.sending import plan, report
from mentalspace.integrations.email.resend.sandbox.suppressions import forget_ahead
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page
from mentalspace.integrations.email.resend.sandbox.words import Json, row_stamp, stamp

USUAL_PAGE = 20
LINK_LIVES = timedelta(hours=48)
DURATION = re.compile(r"(?:(\d{1,3}) ?(d|h|m)[a-z]* ?)+")


# source: https://resend.com/docs/api-reference/emails/retrieve-email
def _get(visit: Visit) -> Reply:
    item = _find(visit)
    body = {name: item.content.get(name) for name in ("html", "text")}
    tags = item.content.get("tags") or []
    return json_reply(200, {"object": "email", **_brief(visit, item), **body, "tags": tags})


# source: https://resend.com/docs/api-reference/emails/list-emails
def _list(visit: Visit) -> Reply:
    items = visit.kit.outbox.items(account=visit.team.id)
    return json_reply(200, page(visit, [_brief(visit, item) for item in items], USUAL_PAGE))


# source: https://resend.com/docs/api-reference/emails/update-email
def _update(visit: Visit) -> Reply:
    item, fields = _scheduled(visit), visit.fields()
    if not fields.get("scheduled_at"):
        raise missing("scheduled_at")
    at = instant_of(fields["scheduled_at"], visit.now)
    _withdraw(visit, item)
    steps = plan(visit.kit, visit.team, item.content, at)
    visit.kit.outbox.plan(item.id, (*_past(visit, item), *steps), scheduled_at=at.isoformat())
    report(visit.kit, visit.team, item, steps)
    return json_reply(200, {"object": "email", "id": item.id})


# source: https://resend.com/docs/api-reference/emails/cancel-email
def _cancel(visit: Visit) -> Reply:
    item = _scheduled(visit)
    _withdraw(visit, item)
    canceled = Step("email.canceled", visit.now.isoformat())
    visit.kit.outbox.plan(item.id, (*_past(visit, item), canceled))
    return json_reply(200, {"object": "email", "id": item.id})


# source: https://resend.com/docs/api-reference/emails/share-email
def _share(visit: Visit) -> Reply:
    """A link to the mail as this sandbox shows it; its end is not enforced."""
    item, wanted = _find(visit), visit.fields().get("expires_in", "48h")
    found = DURATION.fullmatch(wanted.lower()) if isinstance(wanted, str) else None
    if found is None:
        raise invalid("The `expires_in` field must be a duration, such as `10m` or `1 day`.")
    host = visit.call.headers.get("host", "127.0.0.1")
    url = f"http://{host}/email/messages/{item.id}"
    return json_reply(200, {"object": "email", "id": item.id, "url": url})


# source: https://resend.com/docs/api-reference/attachments/list-sent-email-attachments
def _list_attachments(visit: Visit) -> Reply:
    item = _find(visit)
    return json_reply(
        200, page(visit, [_file(visit, item, f) for f in item.content["attachments"]])
    )


def _get_attachment(visit: Visit) -> Reply:
    item = _find(visit)
    for file in item.content["attachments"]:
        if file["id"] == visit.args["attachment_id"]:
            return json_reply(200, {"object": "attachment", **_file(visit, item, file)})
    raise not_found("Attachment")


def _receive(visit: Visit) -> Reply:
    """This sandbox receives no mail."""
    return json_reply(200, page(visit, []))


def _find(visit: Visit) -> Accepted:
    item = visit.kit.outbox.get(visit.args["email_id"])
    if item is None or item.account != visit.team.id:
        raise not_found("Email")
    return item


def _scheduled(visit: Visit) -> Accepted:
    """The mail, if it still waits; how Resend words the refusal is our guess."""
    item = _find(visit)
    if _last_event(visit, item) != "scheduled":
        raise invalid("Only a scheduled email that was neither sent nor canceled can be changed.")
    return item


def _withdraw(visit: Visit, item: Accepted) -> None:
    """Nothing that was to come of it comes."""
    visit.kit.hooks.withdraw(item.id)
    forget_ahead(visit.kit, visit.team, item.id)


def _past(visit: Visit, item: Accepted) -> list[Step]:
    return item.so_far(visit.now)


def _last_event(visit: Visit, item: Accepted) -> str:
    happened = item.so_far(visit.now)
    return happened[-1].kind.removeprefix("email.") if happened else "queued"


def _brief(visit: Visit, item: Accepted) -> Json:
    """As the list shows it: without the bodies."""
    content = item.content
    later = content.get("scheduled_at")
    return {
        "id": item.id,
        "message_id": f"<{item.id}@sandbox.resend.dev>",
        **{name: content[name] for name in ("to", "from", "subject", "bcc", "cc", "reply_to")},
        "created_at": row_stamp(item.at),
        "scheduled_at": row_stamp(later) if later else None,
        "last_event": _last_event(visit, item),
    }


def _file(visit: Visit, item: Accepted, file: Json) -> Json:
    host = visit.call.headers.get("host", "127.0.0.1")
    shown = {name: file[name] for name in ("id", "filename", "content_type", "size")}
    inline = {"content_id": file["content_id"]} if file["content_id"] else {}
    return {
        **shown,
        **inline,
        "content_disposition": "inline" if inline else "attachment",
        "download_url": f"http://{host}/email/messages/{item.id}/attachments/{file['id']}",
        "expires_at": stamp(visit.now + timedelta(hours=1)),
    }


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/emails", _list),
    ("GET", "/emails/receiving", _receive),
    ("GET", "/emails/{email_id}", _get),
    ("PATCH", "/emails/{email_id}", _update),
    ("POST", "/emails/{email_id}/cancel", _cancel),
    ("POST", "/emails/{email_id}/share", _share),
    ("GET", "/emails/{email_id}/attachments", _list_attachments),
    ("GET", "/emails/{email_id}/attachments/{attachment_id}", _get_attachment),
)
