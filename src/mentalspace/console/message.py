"""Message pages: what became of one delivery, and why it waits for what it waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from mentalspace.console import words
from mentalspace.console.charts.spent import draw_spent
from mentalspace.console.door import Missing, Visit
from mentalspace.console.narrate import narrate
from mentalspace.console.queries.message import (
    PAGE,
    SILENT,
    Filters,
    find_message,
    read_attempts,
    read_client,
    read_kinds,
    read_messages,
    read_story,
)
from mentalspace.console.verdict import evidence_of
from mentalspace.engine import again
from mentalspace.engine.silence import MOST_QUESTIONS
from mentalspace.engine.trace import spans_of
from mentalspace.engine.trace.ledger import read_stories
from mentalspace.kernel.case import Disposition

_DONE = {
    "released": "It goes on, under the same key: nobody gets it twice.",
    "given_up": "It will not be sent.",
    "marked_sent": "It counts as accepted, as you found it at the provider.",
    "sent_again": "It goes again, under the same name there: nothing is there twice.",
    "too_late": "Nothing changed: it was decided already.",
}


def _by_words(kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Each kind that people have a word for, once, by its word."""
    return sorted({words.kind(name): name for name in kinds}.items())


async def messages(visit: Visit) -> Response:
    filters = Filters(
        status=_known(visit.query("status"), (*words.STATUSES, SILENT)),
        kind=visit.query("kind")[:80],
        integration=_known(visit.query("integration"), tuple(visit.services.rooms)),
        case=visit.query("case")[:80],
        drills=visit.query("drills") == "1",
    )
    async with visit.reading() as connection:
        rows = await read_messages(
            connection,
            filters,
            _instant(visit.query("before")),
            with_names=not visit.is_oncall,
            kinds=words.kinds_called(filters.kind) if filters.kind else None,
            unknowns=_unknowns(visit) if filters.case else (),
        )
        kinds = await read_kinds(connection)
    return await visit.show(
        "messages.html",
        filters=filters,
        rows=rows[:PAGE],
        kinds=_by_words([*kinds, *([filters.kind] if filters.kind else [])]),
        statuses={
            **{name: words.status(name).word for name in words.STATUSES},
            SILENT: "Accepted, and never heard of",
        },
        cases=sorted({case.id for case in visit.services.runbooks.cases} | {filters.case} - {""}),
        older=_older(filters, rows) if len(rows) > PAGE else None,
    )


async def message(visit: Visit) -> Response:
    async with visit.reading() as connection:
        found = await find_message(connection, visit.id())
        if found is None:
            raise Missing
        attempts = await read_attempts(connection, found["id"])
        story = await read_story(connection, found["id"])
        standing = await again.standing(
            connection, visit.services.rooms, found["integration"], found["id"]
        )
        [told] = await read_stories(connection, [found["id"]], with_hooks=False)
        client = None
        if not visit.is_oncall:
            client = await read_client(connection, found["client_id"])
    await visit.note_reading("message.read", found["id"])
    provider = visit.provider_title(found["integration"], found["provider"])
    return await visit.show(
        "message.html",
        message=found,
        client=client,
        provider=provider,
        state=words.status(found["status"], provider, found["integration"]),
        attempts=[(attempt, evidence_of(attempt)) for attempt in attempts],
        story=narrate(
            story, provider, lambda name: visit.provider_title(found["integration"], name)
        ),
        why=why_next(found, provider),
        requests=_requests(story),
        spent=draw_spent([s for s in spans_of(told) if "messaging.message.id" in s.attributes]),
        again=standing,
        may_decide=visit.person.may("deliveries.decide"),
        done=_DONE.get(visit.query("done")),
        cases={case.id for case in visit.services.runbooks.cases},
    )


def _unknowns(visit: Visit) -> list[str]:
    cases = visit.services.runbooks.cases
    return [case.id for case in cases if case.disposition is Disposition.RECONCILE]


def why_next(message: Any, provider: str) -> str:
    """What happens next and what decides when, in a sentence."""
    status = message["status"]
    if status == "held":
        return f"A person decides: {message['held_reason'] or 'no reason is on record'}."
    if status in ("pending", "due", "unknown") and message["lane_state"] == "paused":
        until = "its time" if message["paused_until"] else "the credential to change"
        return f"The lane is paused and waits for {until}. The message is kept."
    if status in ("pending", "due", "unknown") and message["breaker"] == "open":
        return f"The breaker is open because {provider} keeps failing. The message is kept."
    match status:
        case "pending" if message["attempts"] == 0:
            return "It waits for its time."
        case "pending":
            return (
                f"Try {message['attempts'] + 1} follows. Each wait is longer than the last and "
                "drawn at random, so that messages do not all come back at once."
            )
        case "due" | "sending":
            return "It is being handed over now."
        case "unknown":
            return f"{provider} is asked what became of it before anything is sent again."
        case "accepted" if not message["follows"]:
            return f"Nothing more is sent. {provider} does not say what becomes of what it took."
        case "accepted" if message["ask_at"] is None and message["questions"] >= MOST_QUESTIONS:
            return (
                f"Nothing more is sent. {provider} does not say whether it arrived, though asked"
                f" {words.count(message['questions'], 'time')}. Where it matters, call."
            )
        case "accepted":
            return f"Nothing more is sent. {provider} will report what became of it."
    return "Nothing more is sent."


def _requests(story: list[Any]) -> dict[str, Any]:
    """Our own requests that asked for the message and brought news of it, as the logs name them."""
    named = [
        (row["kind"], row["data"]["request_id"]) for row in story if "request_id" in row["data"]
    ]
    asked = [request_id for kind, request_id in named if kind == "delivery_created"]
    told = [request_id for kind, request_id in named if kind == "provider_event"]
    return {"asked": asked[0] if asked else None, "told": list(dict.fromkeys(told))}


def _known(value: str, allowed: tuple[str, ...]) -> str:
    return value if value in allowed else ""


def _instant(value: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _older(filters: Filters, rows: list[Any]) -> str:
    query = {
        "status": filters.status,
        "kind": filters.kind,
        "integration": filters.integration,
        "case": filters.case,
    }
    if filters.drills:
        query["drills"] = "1"
    before = rows[PAGE - 1]["created_at"].isoformat()
    return "/messages?" + urlencode({k: v for k, v in query.items() if v} | {"before": before})
