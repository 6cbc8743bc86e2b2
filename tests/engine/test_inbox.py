"""The webhook inbox: once, in any order, and never stopped by one bad letter."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.engine import together
from mentalspace.engine.db import Connection
from mentalspace.engine.inbox import MOST_TRIES, Hear, Heard, nobody_listens
from mentalspace.engine.reception import NoSuchEndpoint, Taken
from mentalspace.integrations.email.resend import webhooks
from mentalspace.integrations.email.resend.wire import STATUS_OF
from mentalspace.kernel.errors import WebhookRefused
from mentalspace.kernel.ids import reference_of
from mentalspace.kernel.integration import WebhookCall
from tests.engine.toy import Bench, Reply, make_practice

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def event(message_id: str, status: str | None = "delivered", **more: Any) -> bytes:
    body = {"id": message_id, "kind": f"toy.{status}", "status": status, "at": "2026-11-23T12:00Z"}
    return json.dumps({**body, **more}).encode()


async def receive(
    bench: Bench,
    raw: bytes,
    event_id: str,
    key: str = "k-1",
    query: str = "",
    hear: Hear = nobody_listens,
) -> bool:
    headers = {"x-key": key, "x-id": event_id}
    return (await bench.inbox(hear).receive("toy", "default", raw, headers, query)).is_new


async def process(bench: Bench, hear: Hear = nobody_listens) -> None:
    await bench.inbox(hear).process(str(bench.practice_id))


async def accepted(bench: Bench) -> tuple[UUID, str]:
    """One accepted delivery, and what the provider calls it."""
    delivery = await bench.deliver()
    await bench.turn()
    return delivery, str((await bench.row(delivery))["provider_message_id"])


async def states(bench: Bench) -> list[str]:
    rows = await bench.admin.fetch("select state from inbox order by received_at, external_id")
    return [row["state"] for row in rows]


async def test_an_event_moves_its_delivery_once(bench: Bench) -> None:
    """The same event received twice is kept once and appears once on the timeline."""
    delivery, message = await accepted(bench)
    assert await receive(bench, event(message), "e-1") is True
    assert await receive(bench, event(message), "e-1") is False
    await process(bench)
    await process(bench)
    assert await bench.status(delivery) == "delivered"
    assert (await bench.kinds(delivery)).count("provider_event") == 1


async def test_those_that_come_together_are_judged_one_by_one(bench: Bench) -> None:
    """Thirty at the same moment, among them the same one twice, a wrong key and an endpoint that
    is none: each gets its own answer, and each good one is kept once."""
    inbox, body = bench.inbox(), event("m-1")
    other = await make_practice(bench.admin, "second")
    await bench.save_credential(other, "second", "k-2")

    async def one(number: int) -> bool | str:
        key, endpoint, name = "k-1", "default", f"e-{number % 25}"
        if number % 10 == 3:
            key = "wrong"
        if number % 10 == 4:
            endpoint = "nowhere"
        if number % 10 == 5:
            key, endpoint = "k-2", "second"
        try:
            taken = await inbox.receive("toy", endpoint, body, {"x-key": key, "x-id": name})
            return taken.is_new
        except WebhookRefused as error:
            return error.code

    answers = await asyncio.gather(*(one(number) for number in range(30)))
    assert [answers[n] for n in (3, 13, 23)] == ["signature"] * 3
    assert [answers[n] for n in (4, 14, 24)] == ["no_such_endpoint"] * 3
    # 25 to 29 have the names of 0 to 4; of these 3 and 4 were not kept, and 25 is another's.
    assert [answers[n] for n in range(25, 30)] == [True, False, False, True, True]
    rows = await bench.admin.fetch("select practice_id, count(*) from inbox group by 1")
    assert {row[0]: row[1] for row in rows} == {bench.practice_id: 19, other: 3}


async def test_one_that_cannot_be_kept_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database refuses one of three that came together; the other two are kept."""
    await bench.admin.execute(
        "alter table inbox add constraint not_this check (external_id <> 'e-bad')"
    )
    monkeypatch.setattr(together, "AT_ONCE", 1)
    inbox, body = bench.inbox(), event("m-1")
    names = ["e-first", "e-good", "e-bad", "e-last"]
    answers = await asyncio.gather(
        *(inbox.receive("toy", "default", body, {"x-key": "k-1", "x-id": n}) for n in names),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [
        Taken,
        Taken,
        asyncpg.CheckViolationError,
        Taken,
    ]
    assert await states(bench) == ["received"] * 3


@pytest.mark.parametrize(
    ("events", "ends"),
    [
        (["bounced", "delivered"], "bounced"),
        (["delivered", "bounced"], "delivered"),
        (["delivered", "accepted"], "delivered"),
        (["delivered", None, "failed"], "delivered"),
        ([None, "failed", "delivered"], "failed"),
        (["sending", "delivered"], "delivered"),
    ],
)
async def test_a_late_event_never_moves_backward(
    bench: Bench, events: list[str | None], ends: str
) -> None:
    """What contradicts an ending is written down and changes nothing."""
    delivery, message = await accepted(bench)
    for number, status in enumerate(events):
        await receive(bench, event(message, status), f"e-{number}")
        await process(bench)
    assert await bench.status(delivery) == ends
    assert (await bench.kinds(delivery)).count("provider_event") == len(events)
    assert set(await states(bench)) == {"processed"}


async def test_an_event_that_overtakes_the_answer_waits(bench: Bench) -> None:
    """An event about a message not known yet is applied once it is, not lost."""
    await receive(bench, event("m-early"), "e-1")
    await process(bench)
    assert await states(bench) == ["received"]
    # Half a second may pass between two lines of a test on a busy machine; an hour does not.
    await bench.admin.execute("update inbox set next_try_at = next_try_at + interval '1 h'")
    delivery, _ = await accepted(bench)
    await bench.admin.execute("update delivery set provider_message_id = 'm-early'")
    await process(bench)
    assert await bench.status(delivery) == "accepted", "it waits for its next try"
    await bench.advance(timedelta(hours=1, seconds=1))
    await process(bench)
    assert await bench.status(delivery) == "delivered"


async def test_an_event_of_a_stranger_is_held_in_the_end(bench: Bench) -> None:
    """An event about a message that is never ours is held after its tries, with the reason."""
    await receive(bench, event("m-unknown"), "e-1")
    for _ in range(MOST_TRIES):
        await bench.advance(timedelta(minutes=3))
        await process(bench)
    assert await states(bench) == ["held"]
    assert "not ours" in await bench.admin.fetchval("select held_reason from inbox")


async def test_an_event_of_what_was_long_unknown_is_applied(bench: Bench) -> None:
    """An event held as a stranger's is applied once the unknown outcome turns out to be its."""
    bench.server.script.append(Reply(lost=True))
    delivery = await bench.deliver(key="toy/lost")
    await bench.turn()
    assert await bench.status(delivery) == "unknown"
    await receive(bench, event(bench.server.accepted["toy/lost"]), "e-1")
    for _ in range(MOST_TRIES):
        await bench.advance(timedelta(minutes=3))
        await process(bench)
    assert await states(bench) == ["held"]
    await bench.turn()
    assert await bench.status(delivery) == "accepted"
    await process(bench)
    assert await bench.status(delivery) == "delivered"
    assert await states(bench) == ["processed"]


@pytest.mark.parametrize("status", ["accepted", None])
async def test_an_event_by_its_address_tells_what_became_of_an_unknown(
    bench: Bench, status: str | None
) -> None:
    """The answer was lost; the address the event came to names the delivery, and nothing else
    than an unknown one is named so. Whatever the event says, the provider has it: nobody asks."""
    bench.server.script.append(Reply(lost=True))
    lost, other = await bench.deliver(key="toy/lost"), await bench.deliver(key="toy/other")
    await bench.turn()
    assert [await bench.status(each) for each in (lost, other)] == ["unknown", "accepted"]
    known = (await bench.row(other))["provider_message_id"]
    for number, key in enumerate(("toy/lost", "toy/other")):
        said = event(f"m-by-address-{number}", status)
        await receive(bench, said, f"e-{number}", query=f"ref={reference_of(key)}")
    await process(bench)
    row = await bench.row(lost)
    assert (row["status"], row["provider_message_id"]) == ("accepted", "m-by-address-0")
    assert (await bench.row(other))["provider_message_id"] == known
    await receive(bench, event("m-by-address-0"), "e-9")
    await process(bench)
    assert await bench.status(lost) == "delivered"
    await bench.turn()
    assert len(bench.server.requests) == 2, "nobody asks about it again"


def said(text: str) -> bytes:
    at = "2026-11-23T12:00+00:00"
    return json.dumps({"id": "in-1", "kind": "toy.said", "text": text, "at": at}).encode()


async def test_what_somebody_wrote_is_heard_once(bench: Bench) -> None:
    """A message to us is handed on with whose it is; one that could not be taken in comes again."""
    heard: list[Heard] = []

    async def hear(_connection: Connection, what: Heard) -> None:
        heard.append(what)
        if len(heard) == 1:
            raise RuntimeError

    for _ in range(2):
        await receive(bench, said("I will be late"), "e-1")
        await process(bench, hear)
        await bench.advance(timedelta(seconds=5))
    await process(bench, hear)
    assert [each.message.body.reveal() for each in heard] == ["I will be late"] * 2
    assert heard[0].practice_id == bench.practice_id
    assert heard[0].credential_id == bench.credential_id
    assert await states(bench) == ["processed"]


async def test_where_nobody_listens_a_message_is_kept(bench: Bench) -> None:
    """Nothing that a person wrote is thrown away: it is held with the reason."""
    await receive(bench, said("hello"), "e-1")
    await process(bench)
    assert await states(bench) == ["held"]
    assert "nobody_listens" in await bench.admin.fetchval("select held_reason from inbox")


async def test_what_cannot_be_read_is_held(bench: Bench) -> None:
    """A signed letter nobody understands is held for a person; the next is applied."""
    delivery, message = await accepted(bench)
    await receive(bench, b"not json", "e-1")
    await receive(bench, event(message), "e-2")
    await process(bench)
    assert await states(bench) == ["held", "processed"]
    assert await bench.status(delivery) == "delivered"


async def test_one_event_that_cannot_be_applied_does_not_stop_the_rest(bench: Bench) -> None:
    """What the database will not take is held in the end; others are applied at once."""
    delivery, message = await accepted(bench)
    await receive(bench, event(message, None, code="a\0b"), "e-1")
    await receive(bench, event("m\0id"), "e-2")
    await receive(bench, event(message), "e-3")
    await process(bench)
    assert await bench.status(delivery) == "delivered"
    for _ in range(MOST_TRIES):
        await bench.advance(timedelta(minutes=3))
        await process(bench)
    assert await states(bench) == ["held", "held", "processed"]


async def test_only_the_endpoints_own_secret_opens(bench: Bench) -> None:
    """A wrong signature is refused and kept nowhere; either of two secrets holds in a rotation."""
    with pytest.raises(WebhookRefused):
        await receive(bench, event("m"), "e-1", key="wrong")
    await bench.save_credential(bench.practice_id, "default", "k-2 k-1")
    assert await receive(bench, event("m"), "e-1", key="k-1")
    assert await receive(bench, event("m"), "e-2", key="k-2")
    assert len(await states(bench)) == 2


async def test_what_is_refused_is_counted_until_one_holds(bench: Bench) -> None:
    """Since when, how many and why; whoever is heard again, and then refused, begins anew."""
    count = "select refused, code, since > $1 as is_new from hook_refusal"
    began = await bench.admin.fetchval("select app.now() - interval '1 s'")
    for name in ("e-1", "e-2"):
        with pytest.raises(WebhookRefused):
            await receive(bench, event("m"), name, key="wrong")
    assert tuple(await bench.admin.fetchrow(count, began)) == (2, "signature", True)
    assert await receive(bench, event("m"), "e-3")
    heard = await bench.admin.fetchval("select max(received_at) from inbox")
    with pytest.raises(WebhookRefused):
        await receive(bench, event("m"), "e-4", key="wrong")
    assert tuple(await bench.admin.fetchrow(count, heard)) == (1, "signature", True)


async def test_unknown_endpoints_are_said_to_be_unknown(bench: Bench) -> None:
    """Whatever stands in the path, what is not an endpoint is answered as none."""
    for room in ("toy", "no-room", "a\0b"):
        for endpoint in ("nobody", "", "a\0b", "../default", "ü" * 300):
            with pytest.raises(NoSuchEndpoint):
                await bench.inbox().receive(room, endpoint, b"{}", {"x-key": "k-1", "x-id": "1"})


# Resend's own letters -----------------------------------------------------------------------

SECRETS = ("whsec_" + base64.b64encode(b"old secret").decode(),
           "whsec_" + base64.b64encode(b"new secret").decode())  # fmt: skip


def signed(raw: bytes, secret: str, at: datetime = NOW, event_id: str = "msg_1") -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event_id}.{stamp}.".encode() + raw, hashlib.sha256)
    return {
        "svix-id": event_id,
        "svix-timestamp": stamp,
        "svix-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_either_of_two_secrets_signs_during_a_rotation(secret: str) -> None:
    """While both secrets are kept, letters signed with the old and the new one are ours."""
    headers = signed(b"{}", secret)
    call = WebhookCall(b"{}", headers, "")
    assert webhooks.verify(call, {"webhook_secret": " ".join(SECRETS)}, NOW) == "msg_1"
    other = next(s for s in SECRETS if s != secret)
    with pytest.raises(WebhookRefused, match="signature"):
        webhooks.verify(call, {"webhook_secret": other}, NOW)


def test_an_old_letter_is_not_taken_again() -> None:
    """A good signature more than five minutes off is refused."""
    for off in (timedelta(minutes=-6), timedelta(minutes=6)):
        with pytest.raises(WebhookRefused) as refused:
            call = WebhookCall(b"{}", signed(b"{}", SECRETS[0], NOW + off), "")
            webhooks.verify(call, {"webhook_secret": SECRETS[0]}, NOW)
        assert refused.value.code == "timestamp"


header_texts = st.text(max_size=40) | st.text("v1,= +/abcAB0123", max_size=40)
any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "data", "created_at", "email_id", "bounce", "x"]), inner
        )
    ),
    max_leaves=12,
)
known_kinds = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(STATUS_OF)), "data": any_json, "created_at": any_json}
)


@given(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(["svix-id", "svix-timestamp", "svix-signature"]), header_texts),
    st.sampled_from([SECRETS[0], " ".join(SECRETS), "", "whsec_%%%", "no secret"]),
)
def test_nothing_unsigned_passes_or_breaks_the_check(
    raw: bytes, headers: dict[str, str], secret: str
) -> None:
    """Any bytes under any headers are refused, in no other way than as refused."""
    with pytest.raises(WebhookRefused):
        webhooks.verify(WebhookCall(raw, headers, ""), {"webhook_secret": secret}, NOW)


@given(
    st.binary(max_size=200)
    | any_json.map(lambda value: json.dumps(value).encode())
    | known_kinds.map(lambda value: json.dumps(value).encode())
)
def test_nothing_signed_breaks_the_reading(raw: bytes) -> None:
    """Any signed bytes are events, no events, or refused."""
    with contextlib.suppress(WebhookRefused):
        webhooks.parse(raw, "")


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b'"\xff"'])
def test_pathological_letters_are_refused(raw: bytes) -> None:
    """Depth and size that a parser chokes on are refused like any other nonsense."""
    with pytest.raises(WebhookRefused):
        webhooks.parse(raw, "")
