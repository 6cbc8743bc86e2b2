"""Batches through our own adapter, against the sandbox; and answers that account for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mentalspace.engine.outbound import DeadlinedHttp, open_client
from mentalspace.integrations.email.model import Attachment, Mail, fits_batch
from mentalspace.integrations.email.resend.adapter import ResendAdapter
from mentalspace.integrations.email.resend.wire import batch_results
from mentalspace.integrations.email.tests.conftest import KEY, Client
from mentalspace.kernel.delivery import Receipt
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.integration import Answer, Credential
from mentalspace.kernel.rate import RateLeft


def mail(to: str, *attachments: Attachment) -> bytes:
    sender = "noreply@mentalspace.app"
    return Mail(sender, sender, to, "s", "t", "<p>t</p>", "reminder", attachments).to_bytes()


async def test_our_adapter_sends_a_batch_and_hears_of_each(client: Client) -> None:
    """One request for three mails, one of them bad: receipts in the places of the good ones, the
    reason in the other's, what is left of the rate; and the same receipts when asked again."""
    payloads = [mail("a@demo.example"), mail("nobody"), mail("c@demo.example")]
    credential = Credential(
        "p", "default", f"{client.sandbox.url}/email/resend", {"api_key": KEY}, ""
    )
    async with open_client(live=False) as http:
        adapter = ResendAdapter(DeadlinedHttp(http, 5), credential)
        results = await adapter.send_batch(payloads, idempotency_key="batch/1")
        again = await adapter.send_batch(payloads, idempotency_key="batch/1")
    first, bad, last = results
    assert isinstance(first, Receipt)
    assert isinstance(last, Receipt)
    assert isinstance(bad, Evidence)
    kept = {item.id: item.content["to"] for item in client.sandbox.world.kit.outbox.items()}
    assert kept == {
        first.provider_message_id: ["a@demo.example"],
        last.provider_message_id: ["c@demo.example"],
    }
    assert first.rate == RateLeft(1000, 999)
    assert [getattr(each, "provider_message_id", None) for each in again] == [
        first.provider_message_id,
        None,
        last.provider_message_id,
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "m-1"}]},
        {"data": [{"id": "m-1"}], "errors": [{"index": 2, "message": "x"}]},
        {"data": [{"id": "m-1"}, {"id": "m-2"}], "errors": [{"index": 0, "message": "x"}]},
        {"data": [{"id": "m-1"}, {"id": "somebody@clients.example"}]},
        {"data": [{"id": "m-1"}, {}]},
        {},
    ],
)
def test_an_answer_that_does_not_account_for_every_mail_is_none(body: dict[str, Any]) -> None:
    """Too few, too many, a place that was not there or an id that is none: nothing is concluded."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        batch_results(Answer(200, {}, json.dumps(body).encode()), 2)


def test_what_carries_a_file_does_not_fit() -> None:
    """Resend takes no attachments in a batch."""
    assert fits_batch(mail("a@demo.example"))
    assert not fits_batch(mail("a@demo.example", Attachment("a.ics", "text/calendar", "QQ==")))
