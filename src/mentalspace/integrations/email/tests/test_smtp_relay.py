"""The adapter against a real mail server, over TLS, down to the delivered mail."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
import pytest_asyncio

from mentalspace.engine.outbound import Client, DeadlinedHttp, open_client
from mentalspace.engine.runbook import load_runbooks
from mentalspace.integrations import discover_rooms
from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.integrations.email.smtp.adapter import SmtpAdapter
from mentalspace.kernel.case import classify
from mentalspace.kernel.errors import ProviderError
from mentalspace.kernel.integration import Credential
from tests.relay import DOMAIN, HOST, PASSWORD, USERNAME, Relay, running_relay

INVITE = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
MAIL = Mail(
    sender=f"Lakeside <noreply@{DOMAIN}>",
    reply_to=f"support@{DOMAIN}",
    to=f"client@{DOMAIN}",
    subject="Su cita del miércoles",
    text="Hola:\n\n.una línea que empieza con un punto\n",
    html="<p>Hola:</p>\n",
    kind="appointment_created",
    attachments=(
        Attachment(
            "cita.ics",
            "text/calendar; method=REQUEST; charset=utf-8",
            base64.b64encode(INVITE.encode()).decode(),
        ),
    ),
)


@pytest_asyncio.fixture(loop_scope="session")
async def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    async with running_relay(tmp_path) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncIterator[Client]:
    async with open_client(live=True) as opened:
        yield opened


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_mail_is_delivered(relay: Relay, client: Client, scheme: str) -> None:
    """By STARTTLS or within TLS: what lies in the mailbox is the mail, letter by letter."""
    port = relay.port if scheme == "smtp" else relay.tls_port
    sender = _adapter(client, f"{scheme}://{HOST}:{port}")
    assert await sender.check() == "account accepted over TLS"
    receipt = await sender.send(MAIL.to_bytes(), idempotency_key="k-1")
    [raw] = await relay.received(1)
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None and html is not None
    assert (text.get_content(), html.get_content()) == (MAIL.text, MAIL.html)
    assert (mail["Subject"], mail["To"]) == (MAIL.subject, MAIL.to)
    assert mail["Message-ID"] == receipt.provider_message_id
    [invite] = mail.iter_attachments()
    assert invite["Content-Type"].params["method"] == "REQUEST"
    assert invite.get_content().splitlines() == INVITE.splitlines()
    assert "tls" in mail["Received"].lower()


@pytest.mark.asyncio(loop_scope="session")
async def test_its_refusals_are_known(relay: Relay, client: Client) -> None:
    """An unknown recipient, a wrong password and a mail too big meet the cases written for them."""
    url = f"smtp://{HOST}:{relay.port}"
    unknown = replace(MAIL, to=f"nobody@{DOMAIN}")
    big = replace(MAIL, text="a long line of a long mail\n" * 50_000)
    for sender, mail, case in (
        (_adapter(client, url), unknown, "email.smtp_recipient_refused"),
        (_adapter(client, url), big, "email.smtp_too_big"),
        (_adapter(client, url, password="wrong"), MAIL, "email.smtp_unauthorized"),
    ):
        with pytest.raises(ProviderError) as raised:
            await sender.send(mail.to_bytes(), idempotency_key="k-1")
        assert _case_of(raised.value) == case
    await _adapter(client, url).send(MAIL.to_bytes(), idempotency_key="k-2")
    assert len(await relay.received(1)) == 1, "nothing else was delivered"


def _adapter(client: Client, url: str, *, password: str = PASSWORD) -> SmtpAdapter:
    secrets = {"username": USERNAME, "password": password}
    return SmtpAdapter(
        DeadlinedHttp(client, 10), Credential("practice", "default", url, secrets, "")
    )


def _case_of(error: ProviderError) -> str:
    runbooks = load_runbooks(list(discover_rooms().values()), None)
    return classify(runbooks.room("email").cases_for("smtp"), error.evidence).id
