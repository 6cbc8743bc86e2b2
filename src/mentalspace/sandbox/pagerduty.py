"""PagerDuty's Events API v2, played from its documentation: alerts by their deduplication key."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.journal import Record
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Call, Reply, json_reply
from mentalspace.sandbox.accountless import Accountless

ROOM = "pager"
PROVIDER = "pagerduty"
KEPT = 1000  # the newest

# source: https://developer.pagerduty.com/docs/events-api-v2/trigger-events
KEY_LENGTH = 32
LONGEST_DEDUP_KEY = 255
LONGEST_SUMMARY = 1024
ACTIONS = ("trigger", "acknowledge", "resolve")
SEVERITIES = ("critical", "error", "warning", "info")
# source: https://developer.pagerduty.com/docs/events-api-v2/overview
LARGEST_BYTES = 512 * 1024
# source: https://developer.pagerduty.com/docs/events-api-v2/rate-limits (about, per key)
PER_MINUTE = 120


@dataclass(frozen=True, slots=True)
class Alert:
    """`key` is a hash of the routing key it came by. `triggers` counts the events that opened or
    repeated it; while acknowledged, repeats wake nobody."""

    id: str
    key: str
    dedup_key: str
    status: str  # triggered, acknowledged, resolved
    summary: str
    source: str
    severity: str
    links: tuple[str, ...]
    at: str
    triggers: int
    notified: int


class PagerDuty(Accountless):
    """`POST /v2/enqueue`. Every routing key of the right shape belongs to somebody."""

    room = ROOM
    provider = PROVIDER
    title = "PagerDuty"

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._alerts: dict[str, Alert] = {}
        self._calls: dict[str, deque[datetime]] = {}
        kit.journal.on("alert", self._apply)
        kit.journal.compact(["alert"], self._snapshot)

    def busy(self, call: Call, account: Account | None) -> Reply:  # noqa: ARG002
        return json_reply(409, {"status": "busy"})

    def fail(self, account: Account | None, fault: Fault) -> Reply:  # noqa: ARG002
        return json_reply(fault.http, {"status": "error", "message": fault.message or "injected"})

    def handle(self, call: Call, account: Account | None) -> Reply:  # noqa: ARG002
        if call.path != "/v2/enqueue":
            return json_reply(404, {"status": "not found"})
        if call.method != "POST":
            return json_reply(405, {"status": "method not allowed"})
        if len(call.body) > LARGEST_BYTES:
            return json_reply(413, {"status": "invalid event", "message": "Event is too large"})
        try:
            event = json.loads(call.body)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            return _invalid(["the body is not a JSON object"])
        if errors := list(_errors(event)):
            return _invalid(errors)
        key = hashlib.sha256(event["routing_key"].encode()).hexdigest()[:16]
        if self._is_too_fast(key, call.at):
            return json_reply(429, {"status": "throttle exceeded", "message": "Too many requests"})
        dedup_key = event.get("dedup_key") or secrets.token_hex(16)
        self._take(key, dedup_key, event, call.at)
        told = {"status": "success", "message": "Event processed", "dedup_key": dedup_key}
        return json_reply(202, told, accepted=(dedup_key,))

    def alerts(self, limit: int | None = None) -> list[Alert]:
        """Newest first."""
        return list(reversed(self._alerts.values()))[:limit]

    def _take(self, key: str, dedup_key: str, event: Mapping[str, Any], at: datetime) -> None:
        """An event for an open alert goes to it; without one, only a trigger makes one."""
        known = next(
            (
                alert
                for alert in self._alerts.values()
                if (alert.key, alert.dedup_key) == (key, dedup_key) and alert.status != "resolved"
            ),
            None,
        )
        match event["event_action"]:
            case "trigger":
                self._trigger(known, key, dedup_key, event, at)
            case "acknowledge" if known is not None:
                self._emit(replace(known, status="acknowledged"))
            case "resolve" if known is not None:
                self._emit(replace(known, status="resolved"))

    def _trigger(
        self,
        known: Alert | None,
        key: str,
        dedup_key: str,
        event: Mapping[str, Any],
        at: datetime,
    ) -> None:
        payload = event["payload"]
        if known is not None:
            wakes = known.status == "triggered"
            self._emit(replace(known, triggers=known.triggers + 1, notified=known.notified + wakes))
            return
        links = tuple(str(link["href"]) for link in event.get("links") or ())
        self._emit(
            Alert(
                f"al_{secrets.token_hex(8)}",
                key,
                dedup_key,
                "triggered",
                payload["summary"],
                payload["source"],
                payload["severity"],
                links,
                at.isoformat(),
                1,
                1,
            )
        )

    def _is_too_fast(self, key: str, at: datetime) -> bool:
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= at - timedelta(minutes=1):
            calls.popleft()
        if len(calls) >= PER_MINUTE:
            return True
        calls.append(at)
        return False

    def _emit(self, alert: Alert) -> None:
        self._kit.journal.emit("alert", alert=_fields(alert))

    def _apply(self, record: Record) -> None:
        fields = {**record["alert"], "links": tuple(record["alert"]["links"])}
        self._alerts[fields["id"]] = Alert(**fields)
        while len(self._alerts) > KEPT:
            del self._alerts[next(iter(self._alerts))]

    def _snapshot(self) -> Iterable[Record]:
        for alert in self._alerts.values():
            yield {"kind": "alert", "alert": _fields(alert)}


def _errors(event: Mapping[str, Any]) -> Iterable[str]:
    """What the documentation demands and this event lacks."""
    key = event.get("routing_key")
    if not isinstance(key, str) or len(key) != KEY_LENGTH:
        yield f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)"
    action = event.get("event_action")
    if action not in ACTIONS:
        yield f"'event_action' is invalid (should be one of {', '.join(ACTIONS)})"
    dedup_key = event.get("dedup_key")
    if dedup_key is not None and (
        not isinstance(dedup_key, str) or len(dedup_key) > LONGEST_DEDUP_KEY
    ):
        yield f"'dedup_key' is longer than {LONGEST_DEDUP_KEY} characters"
    if action in ("acknowledge", "resolve") and not dedup_key:
        yield "'dedup_key' is missing or blank"
    if action == "trigger":
        yield from _payload_errors(event)


def _payload_errors(event: Mapping[str, Any]) -> Iterable[str]:
    payload = event.get("payload")
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank"
        return
    for name in ("summary", "source"):
        if not isinstance(payload.get(name), str) or not payload[name].strip():
            yield f"'payload.{name}' is missing or blank"
    if len(str(payload.get("summary", ""))) > LONGEST_SUMMARY:
        yield f"'payload.summary' is longer than {LONGEST_SUMMARY} characters"
    if payload.get("severity") not in SEVERITIES:
        yield f"'payload.severity' is invalid (must be one of: {', '.join(SEVERITIES)})"
    for link in event.get("links") or ():
        if not isinstance(link, dict) or not link.get("href"):
            yield "'links.href' is missing or blank"


def _invalid(errors: list[str]) -> Reply:
    told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
    return json_reply(400, told)


def _fields(alert: Alert) -> Record:
    return {name: getattr(alert, name) for name in Alert.__slots__}
