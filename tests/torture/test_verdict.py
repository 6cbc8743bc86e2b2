"""A judge that finds nothing must be one that would have found something."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from mentalspace.engine.db import Database
from mentalspace.engine.secrets import Vault
from mentalspace.kernel.ids import reference_of
from tests.engine.desk import open_desk
from tests.engine.toy import open_bench
from tests.torture.load import Booking
from tests.torture.verdict import Found, Verdict, read_deliveries, weigh

APPOINTMENT = uuid4()


def _delivery(**changes: Any) -> dict[str, Any]:
    return {
        "subject_id": APPOINTMENT,
        "integration": "email",
        "kind": "appointment_created",
        "status": "delivered",
        "held_reason": None,
        "idempotency_key": "key-1",
        "keys": ["key-1"],
        "provider_message_id": "m-1",
        "was_unknown": False,
        "follows": True,
        **changes,
    }


def _request(*accepted: str, replayed: bool = False) -> dict[str, Any]:
    return {
        "account": "acc",
        "idempotency_key": "key-1",
        "accepted": list(accepted),
        "replayed": replayed,
    }


def _mail(mail_id: str, provider: str = "resend") -> dict[str, Any]:
    content = {"subject": "Your appointment on Friday, May 1", "text": "", "message_id": mail_id}
    return {"id": mail_id, "provider": provider, "content": content}


def _weigh(
    *,
    deliveries: list[dict[str, Any]] | None = None,
    mailbox: list[dict[str, Any]] | None = None,
    requests: list[dict[str, Any]] | None = None,
    inbox: dict[str, int] | None = None,
    attempts: dict[str, int] | None = None,
    twice: int = 0,
    unknown: tuple[tuple[float, bool], ...] = (),
    booked: UUID = APPOINTMENT,
    log: str = "",
) -> Verdict:
    found = Found(
        deliveries=[_delivery()] if deliveries is None else deliveries,
        unknown=[{"unseen_s": seconds, "shown": shown} for seconds, shown in unknown],
        attempts=Counter(attempts or {"succeeded": 1}),
        batches=Counter(),
        inbox=Counter(inbox or {"processed": 2}),
        mailbox=[_mail("m-1")] if mailbox is None else mailbox,
        requests=requests or [_request("m-1"), _request(replayed=True)],
        summary={
            "acc": {"accepted": 1, "repeated_requests_one_key": 1, "accepted_twice": twice},
        },
    )
    booking = Booking(booked, frozenset({("email", "appointment_created")}))
    return weigh(found, [booking], {"Quillon Lindqvist"}, {"worker.log": log})


def test_a_calm_day_passes() -> None:
    """One booking, one mail, one repeated request and its webhooks: nothing to complain of."""
    verdict = _weigh(log="admin@demo.example may log in")
    assert verdict.violations == ()
    assert verdict.counts["repeated_requests_one_key"] == 1


def test_the_unknown_is_counted_where_it_ended() -> None:
    """A held delivery whose outcome is unknown is counted apart, and needs a reason."""
    held = _delivery(status="held", was_unknown=True, provider_message_id=None)
    assert _weigh(deliveries=[held]).counts["held_without_reason"] == 1
    explained = _weigh(deliveries=[{**held, "held_reason": "outcome unknown"}])
    assert explained.violations == ()
    assert explained.counts["unknown_held"] == 1


def test_the_longest_that_nobody_saw_is_told() -> None:
    """Shown after eleven minutes, or known again before anybody had to be told, is in time."""
    verdict = _weigh(unknown=((660.0, True), (40.0, False)))
    assert verdict.violations == ()
    assert verdict.counts["unknown_times"] == 2
    assert verdict.counts["unknown_shown"] == 1
    assert verdict.counts["unknown_unseen_longest_s"] == 660


def test_a_batch_explains_as_many_mails_as_a_person_sees() -> None:
    """Of a batch's two mails nobody here knows, one delivery is held: the other is nobody's."""
    request = {**_request("m-1", "m-2"), "idempotency_key": "batch/1"}
    held = _delivery(status="held", held_reason="unknown", keys=["key-1", "batch/1"])
    lost = _delivery(status="refused", keys=["key-1"])
    mails = [_mail("m-1"), _mail("m-2")]
    known = _weigh(deliveries=[held, held], mailbox=mails, requests=[request])
    assert known.counts["sent_unseen"] == 0
    unknown = _weigh(deliveries=[held, lost], mailbox=mails, requests=[request])
    assert unknown.counts["sent_unseen"] == 1
    assert known.counts["accepted_twice_by_key"] == 0


def test_a_relay_is_known_by_the_name_we_gave() -> None:
    """Its mails have our Message-ID, which is made of the key; it reports nothing afterwards."""
    name = f"<{hashlib.sha256(b'key-1').hexdigest()[:40]}@clinic.example>"
    sent = _delivery(status="accepted", provider_message_id=name, follows=False)
    mail, request = _mail(name, "smtp"), {**_request("q-1"), "idempotency_key": None}
    assert _weigh(deliveries=[sent], mailbox=[mail], requests=[request]).violations == ()
    held = {**sent, "status": "held", "held_reason": "unknown", "provider_message_id": None}
    assert _weigh(deliveries=[held], mailbox=[mail], requests=[request]).violations == ()
    gone = _weigh(deliveries=[{**held, "keys": []}], mailbox=[mail], requests=[request])
    assert gone.counts["sent_unseen"] == 1


def test_a_text_is_known_by_the_address_it_calls_back() -> None:
    """Twilio knows no keys; a text nobody learned the outcome of is before a person, or unseen."""
    callback = f"https://clinic.example/hook?ref={reference_of('key-1')}#rc=3"
    text = {"id": "SM1", "provider": "twilio", "content": {"text": "", "callback": callback}}
    request = {**_request("SM1"), "idempotency_key": None}
    held = _delivery(status="held", held_reason="unknown", provider_message_id=None)
    assert _weigh(deliveries=[held], mailbox=[text], requests=[request]).violations == ()
    gone = _weigh(deliveries=[{**held, "keys": []}], mailbox=[text], requests=[request])
    assert gone.counts["sent_unseen"] == 1


@pytest.mark.parametrize("paged_otherwise", [True, False])
def test_a_page_to_staff_may_come_too_late(paged_otherwise: bool) -> None:
    """After its half hour it is given up, which is well if somebody was paged otherwise."""
    page = _delivery(
        kind="staff_page",
        status="expired",
        provider_message_id=None,
        keys=["p"],
        paged_otherwise=paged_otherwise,
    )
    verdict = _weigh(deliveries=[_delivery(), page])
    assert bool(verdict.violations) is not paged_otherwise
    assert verdict.counts["lost"] == (0 if paged_otherwise else 1)
    assert verdict.counts["pages_expired"] == 1


async def test_the_ledger_tells_who_was_paged_otherwise(
    admin: asyncpg.Connection[Any], database: Database, vault: Vault, database_url: str
) -> None:
    """A page that expired is excused by a later one of its incident, or by whoever has it; not by
    a page that left before it, by none, or by another incident's."""
    async with open_bench(admin, database, vault, database_url) as bench, open_desk(bench) as desk:
        await desk.fail(400)
        await desk.tick()
        incident = await desk.incident()
        other = UUID(int=1)
        keys = {"its own": incident["id"], "another's": other, "a test's": "test"}
        for name, named in keys.items():
            key = f"staff_page/mentalspace/{named}/{name}"
            await admin.execute(
                "update delivery set status = 'expired', kind = 'staff_page', idempotency_key = $2"
                " where id = $1",
                await bench.deliver(),
                key,
            )

        async def excused() -> set[str]:
            seen = {
                d["idempotency_key"].split("/")[3]: d
                for d in await read_deliveries(admin)
                if d["kind"] == "staff_page"
            }
            return {name for name in keys if seen[name]["paged_otherwise"]}

        sent_at = (
            "update page_send set at = (select min(created_at) from delivery"
            " where kind = 'staff_page') + $1 * interval '1 s'"
        )
        await admin.execute(sent_at, 60)
        assert await excused() == {"its own", "a test's"}
        await admin.execute(sent_at, -60)
        assert await excused() == {"a test's"}
        await desk.acknowledge()
        assert await excused() == {"its own", "a test's"}


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"booked": uuid4()}, "lost"),
        ({"deliveries": [_delivery(status="expired")]}, "lost"),
        ({"deliveries": [_delivery(status="due")]}, "lost"),
        ({"twice": 1}, "accepted_twice"),
        ({"requests": [_request("m-1"), _request("m-2")]}, "accepted_twice_by_key"),
        ({"deliveries": [_delivery(status="pending")]}, "sent_unseen"),
        ({"mailbox": []}, "never_sent"),
        ({"mailbox": [_mail("m-1"), _mail("m-2", "smtp")]}, "accepted_by_two"),
        ({"deliveries": [_delivery(status="accepted")]}, "webhooks_missing"),
        ({"inbox": {"received": 1}}, "webhooks_waiting"),
        ({"inbox": {"held": 1}}, "webhooks_held"),
        ({"attempts": {"open": 1}}, "attempts_left_open"),
        ({"unknown": ((901.0, True),)}, "unknown_unseen"),
        ({"unknown": ((7200.0, False),)}, "unknown_unseen"),
        ({"log": "sent to someone@demo.example"}, "log_hits"),
        ({"log": "Quillon Lindqvist was told"}, "log_hits"),
        ({"log": "Your appointment on Friday, May 1"}, "log_hits"),
    ],
)
def test_every_loss_is_found(changes: dict[str, Any], name: str) -> None:
    """Whatever goes wrong is counted under its name and fails the campaign."""
    verdict = _weigh(**changes)
    assert verdict.counts[name] >= 1
    assert verdict.violations
