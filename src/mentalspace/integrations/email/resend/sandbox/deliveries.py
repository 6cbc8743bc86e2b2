"""What was sent to a webhook endpoint, how each try fared, and sending it again."""

from __future__ import annotations

import json
from datetime import datetime

from mentalspace.emulator.hook import Hook
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.endpoints import find_endpoint
from mentalspace.integrations.email.resend.sandbox.errors import not_found
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    row_stamp,
)


# source: https://resend.com/docs/api-reference/webhooks/list-events
def _list_events(visit: Visit) -> Reply:
    return json_reply(200, page(visit, [_event(hook) for hook in _hooks(visit)]))


def _get_event(visit: Visit) -> Reply:
    hook = _hook(visit)
    waits = None if hook.done else row_stamp(hook.due_at)
    more = {"next_attempt_at": waits, "payload": json.loads(hook.body)}
    return json_reply(200, {"object": "webhook_event", **_event(hook), **more})


def _replay_event(visit: Visit) -> Reply:
    hook = _hook(visit)
    visit.kit.hooks.again(hook.id)
    return json_reply(200, {"object": "webhook_event", "id": hook.message})


def _list_attempts(visit: Visit) -> Reply:
    hook = _hook(visit)
    tries = [
        {
            "id": f"atmpt_{number}",
            "http_status_code": one.http or 0,
            "response": "",
            "sent_at": row_stamp(one.at),
        }
        for number, one in enumerate(hook.tries, start=1)
    ]
    return json_reply(200, page(visit, tries[::-1]))


def _hooks(visit: Visit) -> list[Hook]:
    """What was sent to one endpoint, newest first; a repeated event counts once."""
    endpoint = find_endpoint(visit)["hooks"]
    by_message = {
        hook.message: hook
        for hook in visit.kit.hooks.all(account=visit.team.id)
        if hook.endpoint == endpoint and hook.due_at <= visit.now
    }
    return list(by_message.values())


def _hook(visit: Visit) -> Hook:
    for hook in _hooks(visit):
        if hook.message == visit.args["event"]:
            return hook
    raise not_found("Webhook event")


def _event(hook: Hook) -> Json:
    taken = hook.last_http is not None and 200 <= hook.last_http < 300
    status = "attempting" if hook.tries else "pending"
    if hook.done:
        status = "success" if taken else "failed"
    body = json.loads(hook.body)
    created_at = row_stamp(datetime.fromisoformat(body["created_at"]))
    return {"id": hook.message, "type": body["type"], "created_at": created_at, "status": status}


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/webhooks/{webhook_id}/events", _list_events),
    ("GET", "/webhooks/{webhook_id}/events/{event}", _get_event),
    ("POST", "/webhooks/{webhook_id}/events/{event}/replay", _replay_event),
    ("GET", "/webhooks/{webhook_id}/events/{event}/attempts", _list_attempts),
)
