"""The adapter against the relay's sandbox and against servers that misbehave, end to end."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.emulator.transports import abort_with_reset
from mentalspace.engine.outbound import Client, DeadlinedHttp, open_client
from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.integrations.email.smtp import wire
from mentalspace.integrations.email.smtp.adapter import SmtpAdapter
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.integration import Credential
from mentalspace.sandbox.running import Running, running_sandbox
from tests.certificate import certificate_for

MAIL = Mail(
    sender="Lakeside <noreply@lakeside.example>",
    reply_to="support@lakeside.example",
    to="client@demo.example",
    subject="Your appointment on Tuesday, March 2",
    text="Hello,\n\n.a line with a dot\nGrüße\n",
    html="<p>Hello,</p>\n",
    kind="appointment_created",
)
INVITE = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"
SECRETS = {"username": "lakeside", "password": "pässword"}
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_sandbox(tmp_path, rooms=["email"]) as running:
        running.world.kit.accounts.put("email", "smtp", "lakeside:pässword")
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncIterator[Client]:
    async with open_client(live=False) as opened:
        yield opened


def adapter(client: Client, url: str, *, within_s: float = 5, **secrets: str) -> SmtpAdapter:
    credential = Credential("practice", "default", url, {**SECRETS, **secrets}, "")
    return SmtpAdapter(DeadlinedHttp(client, within_s), credential)


def at(sandbox: Running) -> str:
    return sandbox.world.addresses["email", "smtp"]


async def refusal(sending: Awaitable[object]) -> Evidence:
    """What the error is evidence of; its text says nothing of the recipient."""
    with pytest.raises(ProviderError) as raised:
        await sending
    assert "demo.example" not in str(raised.value)
    return raised.value.evidence


# What arrives -------------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
async def test_a_mail_arrives_whole(sandbox: Running, client: Client) -> None:
    """Text, HTML, the dot at a line's beginning and the invite come out as they went in."""
    invite = Attachment(
        "appointment.ics",
        "text/calendar; method=REQUEST; charset=utf-8",
        base64.b64encode(INVITE.encode()).decode(),
    )
    mail = replace(MAIL, attachments=(invite,))
    receipt = await adapter(client, at(sandbox)).send(mail.to_bytes(), idempotency_key="k-1")
    [item] = sandbox.world.kit.outbox.items(provider="smtp")
    assert receipt.request_id == item.id
    content = item.content
    assert (content["text"], content["html"]) == (MAIL.text, MAIL.html)
    assert (content["to"], content["subject"]) == ([MAIL.to], MAIL.subject)
    assert content["envelope"] == ["noreply@lakeside.example", MAIL.to]
    assert content["message_id"] == receipt.provider_message_id
    assert content["attachments"] == [
        {"filename": "appointment.ics", "content_type": "text/calendar"}
    ]


def test_the_message_is_what_mailers_expect() -> None:
    """Alternatives in order, the calendar's method kept, seven bits, and no answer wanted."""
    content = base64.b64encode(INVITE.encode()).decode()
    invite = Attachment("a.ics", "text/calendar; method=CANCEL; charset=utf-8", content)
    raw = wire.message_bytes(
        replace(MAIL, attachments=(invite,)), "<id@x>", datetime(2026, 3, 2, tzinfo=UTC)
    )
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"] == "Mon, 02 Mar 2026 00:00:00 +0000"
    body = message.get_body(("plain", "html"))
    assert body is not None
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    [calendar] = message.iter_attachments()
    assert calendar["Content-Type"].params["method"] == "CANCEL"
    assert calendar.get_content() in (INVITE, INVITE.replace("\r\n", "\n"))


@given(st.text(min_size=1, max_size=80))
def test_one_key_one_message_id(key: str) -> None:
    """The same delivery has the same Message-ID at every try; another has another."""
    once = wire.message_id(MAIL, key)
    assert once == wire.message_id(replace(MAIL, text="changed"), key)
    assert once != wire.message_id(MAIL, key + "x")
    assert once.endswith("@lakeside.example>")


def test_a_relay_has_an_address() -> None:
    """The scheme says how TLS begins and gives the port; anything else is no relay."""
    assert wire.relay_at("smtp://mail.example") == wire.Relay("mail.example", 587, False)
    assert wire.relay_at("smtps://mail.example") == wire.Relay("mail.example", 465, True)
    assert wire.relay_at("smtp://127.0.0.1:8082").here
    for wrong in ("https://mail.example", "mail.example", "smtp://", "smtp://mail.example:x"):
        with pytest.raises(ProviderError, match="bad_address"):
            wire.relay_at(wrong)


@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        (550, "5.1.1 <a@b> unknown", "5.1.1"),
        (550, "<a@b> unknown", "rcpt_refused"),
        (550, "5.0.0 no", "rcpt_refused"),
        (450, "4.7.28\nmore", "4.7.28"),
        (550, "5.1.1000 no code", "rcpt_refused"),
    ],
)
def test_a_reply_is_read(code: int, text: str, says: str) -> None:
    """The enhanced code if it says anything, else which command was refused."""
    evidence = wire.reply_evidence("rcpt", code, text)
    assert (evidence.kind, evidence.http, evidence.code) == ("reply", code, says)


# What the relay refuses ---------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
async def test_the_account_is_proven_without_a_mail(sandbox: Running, client: Client) -> None:
    """The harmless call goes up to NOOP; a wrong password is told by its code."""
    assert await adapter(client, at(sandbox)).check() == "account accepted"
    evidence = await refusal(adapter(client, at(sandbox), password="no").check())
    assert (evidence.http, evidence.code) == (535, "5.7.8")
    assert sandbox.world.kit.outbox.items() == []


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("unknown@demo.example", "5.1.1"),
        ("client@nowhere.invalid", "5.1.2"),
        ("full@demo.example", "5.2.2"),
        ("busy@demo.example", "4.2.1"),
    ],
)
async def test_a_recipient_is_refused(sandbox: Running, client: Client, to: str, code: str) -> None:
    """Each kind of recipient that cannot have a mail is told apart by its code."""
    sending = adapter(client, at(sandbox)).send(
        replace(MAIL, to=to).to_bytes(), idempotency_key="k"
    )
    assert (await refusal(sending)).code == code


@pytest.mark.asyncio(loop_scope="session")
async def test_a_mail_too_big_is_refused_before_it_is_sent(
    sandbox: Running, client: Client
) -> None:
    """The size goes ahead of the mail, so that nothing is uploaded in vain."""
    sandbox.world.kit.options.put("email", "smtp", {"largest_bytes": 2000})
    mail = replace(MAIL, text="long\n" * 1000)
    evidence = await refusal(
        adapter(client, at(sandbox)).send(mail.to_bytes(), idempotency_key="k")
    )
    assert (evidence.http, evidence.code) == (552, "mail_refused")


# What may have been taken and what not ------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("kind", ["hang", "reset", "truncate", "malformed"])
@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_before_the_last_line_nothing_was_taken(
    sandbox: Running, client: Client, kind: str, command: str
) -> None:
    """Silence, a reset or nonsense at any command is known to be no delivery."""
    sandbox.world.kit.faults.add(room="email", provider="smtp", kind=kind, method=command)
    sending = adapter(client, at(sandbox), within_s=0.5)
    evidence = await refusal(sending.send(MAIL.to_bytes(), idempotency_key="k"))
    assert evidence.kind == "connect"
    word = {"hang": "silent", "malformed": "garbled"}.get(kind, "lost")
    assert evidence.code == f"{word}_at_{command.lower()}"
    assert sandbox.world.kit.outbox.items() == []


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("hang", "timeout"),
        ("reset", "reset"),
        ("truncate", "reset"),
        ("malformed", "malformed"),
    ],
)
async def test_after_the_last_line_nobody_knows(
    sandbox: Running, client: Client, kind: str, says: str
) -> None:
    """The mail was taken and its answer lost: the outcome is unknown, and cannot be asked for."""
    sandbox.world.kit.faults.add(room="email", provider="smtp", kind=kind, when="after")
    sending = adapter(client, at(sandbox), within_s=0.5)
    evidence = await refusal(sending.send(MAIL.to_bytes(), idempotency_key="k"))
    assert evidence.kind == says
    assert len(sandbox.world.kit.outbox.items()) == 1
    asked = sending.reconcile(
        MAIL.to_bytes(),
        idempotency_key="k",
        first_attempt_age=timedelta(minutes=1),
        last_send_age=timedelta(minutes=1),
        taken=(),
    )
    assert (await refusal(asked)).code == "nothing_to_ask"
    assert len(sandbox.world.kit.outbox.items()) == 1


@pytest.mark.asyncio(loop_scope="session")
async def test_a_mail_cut_in_the_middle_was_not_taken(client: Client) -> None:
    """A relay that goes away while a long mail is on its way has not had its last line."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                await reader.readexactly(1000)
                abort_with_reset(writer.transport)
                return
            writer.write(b"250-here\r\n250 AUTH PLAIN\r\n" if word == b"EHLO" else b"")
            writer.write({b"AUTH": b"235 ok\r\n", b"EHLO": b""}.get(word, b"250 ok\r\n"))

    mail = replace(MAIL, text="a long line of a long mail\n" * 400_000)
    async with served(serve) as url:
        evidence = await refusal(adapter(client, url).send(mail.to_bytes(), idempotency_key="k"))
    assert (evidence.kind, evidence.code) == ("connect", "lost_at_data")


@pytest.mark.asyncio(loop_scope="session")
async def test_a_dripping_relay_ends_at_the_deadline(client: Client) -> None:
    """One deadline bounds the whole conversation, however alive it seems."""

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"220-wait\r\n")
            await asyncio.sleep(0.05)

    began = asyncio.get_running_loop().time()
    async with served(serve) as url:
        evidence = await refusal(adapter(client, url, within_s=0.4).check())
    assert (evidence.kind, evidence.code) == ("connect", "silent_at_connect")
    assert asyncio.get_running_loop().time() - began < 1.5


# TLS ----------------------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_beyond_this_machine_it_is_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """STARTTLS or TLS from the first byte, with a certificate that holds for the host."""
    certificate = certificate_for(tmp_path, "127.0.0.2")
    async with (
        relay_beyond(certificate, wrapped=scheme == "smtps") as (port, seen),
        open_client(live=True) as live,
    ):
        url = f"{scheme}://127.0.0.2:{port}"
        assert (await refusal(adapter(live, url).check())).code == "tls_failed"
        assert seen == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert await adapter(live, url).check() == "account accepted over TLS"
    assert seen == [True]


@pytest.mark.asyncio(loop_scope="session")
async def test_without_tls_not_even_our_name_is_said() -> None:
    """A relay beyond this machine that offers no TLS hears no user name and no mail."""
    async with relay_beyond(None) as (port, seen), open_client(live=True) as live:
        sending = adapter(live, f"smtp://127.0.0.2:{port}")
        evidence = await refusal(sending.send(MAIL.to_bytes(), idempotency_key="k"))
    assert (evidence.kind, evidence.code) == ("connect", "tls_not_offered")
    assert seen == []


# Others' programs ---------------------------------------------------------------------------------


@pytest.mark.asyncio(loop_scope="session")
async def test_the_standard_librarys_client_sends(sandbox: Running) -> None:
    """Python's own smtplib, unmodified, logs in and sends; what it hears is durable."""
    port = int(at(sandbox).rpartition(":")[2])

    def send() -> dict[str, Any]:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            with pytest.raises(smtplib.SMTPSenderRefused):
                client.sendmail("a@lakeside.example", ["b@demo.example"], "Subject: no\r\n\r\nno")
            client.login("sandbox", "smtp-sandbox")
            return client.sendmail(
                "a@lakeside.example", ["b@demo.example"], "Subject: hello\r\n\r\nhello"
            )

    assert await asyncio.to_thread(send) == {}
    [item] = sandbox.world.kit.outbox.items(provider="smtp")
    assert item.content["subject"] == "hello"


@asynccontextmanager
async def served(serve: Serve) -> AsyncIterator[str]:
    """A server of a few lines, and its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def relay_beyond(
    certificate: Path | None, *, wrapped: bool = False
) -> AsyncIterator[tuple[int, list[bool]]]:
    """A relay at an address that counts as another machine's; whether each log-in was encrypted."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    seen: list[bool] = []

    def log_in(server: SMTP, _session: Any, *_rest: Any) -> AuthResult:
        assert server.transport is not None
        seen.append(server.transport.get_extra_info("sslcontext") is not None)
        return AuthResult(success=True)

    def protocol() -> SMTP:
        return SMTP(
            object(),
            tls_context=None if wrapped else context,
            auth_require_tls=False,
            authenticator=log_in,
            hostname="relay.example",
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.2", 0, ssl=context if wrapped else None)
    try:
        yield server.sockets[0].getsockname()[1], seen
    finally:
        server.close()
