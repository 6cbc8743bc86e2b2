"""An SMTP relay, written from its RFCs: what it accepts, refuses, and keeps before it says so."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, AnyStr, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.outbox import Accepted, digest_of
from mentalspace.emulator.rate import RateWindows
from mentalspace.emulator.recorder import Entry
from mentalspace.emulator.transports import abort_with_reset
from mentalspace.emulator.words import Call

ROOM = "email"
PROVIDER = "smtp"

# What a fresh sandbox accepts; never valid anywhere else.
DEMO_USERNAME = "sandbox"
DEMO_PASSWORD = "smtp-sandbox"  # noqa: S105

# Its library writes every line of a conversation to this log, addresses and all.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

# What a code means, and what a server says with it.
# source: https://www.rfc-editor.org/rfc/rfc5321#section-4.2.3
# source: https://www.rfc-editor.org/rfc/rfc3463#section-3
# source: https://www.rfc-editor.org/rfc/rfc4954#section-6
REPLIES: Mapping[int, tuple[str, str]] = {
    421: ("4.3.2", "Service not available, closing transmission channel"),
    450: ("4.2.0", "Requested mail action not taken: mailbox unavailable"),
    451: ("4.3.0", "Requested action aborted: local error in processing"),
    452: ("4.2.2", "Requested action not taken: insufficient system storage"),
    454: ("4.7.0", "Temporary authentication failure"),
    530: ("5.7.0", "Authentication required"),
    535: ("5.7.8", "Authentication credentials invalid"),
    550: ("5.1.1", "Requested action not taken: mailbox unavailable"),
    552: ("5.3.4", "Message size exceeds fixed maximum message size"),
    553: ("5.1.3", "Requested action not taken: mailbox name not allowed"),
    554: ("5.7.1", "Transaction failed"),
}
# What becomes of a recipient with this local part, wherever; the names are ours.
RECIPIENTS: Mapping[str, tuple[int, str, str]] = {
    "unknown": (550, "5.1.1", "User unknown"),
    "full": (552, "5.2.2", "Mailbox full"),
    "busy": (450, "4.2.1", "Mailbox busy, try again later"),
}


def emulator(kit: Kit) -> SmtpSandbox:
    """A relay on this kit."""
    return SmtpSandbox(kit)


class SmtpSandbox:
    room = ROOM
    provider = PROVIDER
    title = "SMTP relay"
    scheme = "smtp"
    offset = 2
    options: Mapping[str, Any] = {"rate_per_s": 20, "largest_bytes": 26_214_400}
    # The ways to break a provider, in the numbers of this protocol.
    presets: Mapping[str, Mapping[str, Any]] = {
        "down": {"http": 421},
        "server_error": {"http": 451},
        "key_revoked": {"http": 535, "method": "AUTH"},
        "rate_limited": {"http": 450, "name": "4.7.28", "message": "Sending too fast"},
    }

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.rate = RateWindows()
        self._server: asyncio.Server | None = None
        self._open: set[_Protocol] = set()
        kit.options.declare(ROOM, PROVIDER, self.options)

    def furnish(self, hooks_url: str | None) -> None:  # noqa: ARG002
        """A relay calls nobody back."""
        key = f"{DEMO_USERNAME}:{DEMO_PASSWORD}"
        if self.kit.accounts.by_key(ROOM, PROVIDER, key) is None:
            self.kit.accounts.put(ROOM, PROVIDER, key)

    async def listen(self, host: str, port: int) -> int:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Protocol(self, self._open), host, port)
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for protocol in list(self._open):
            if protocol.transport is not None:
                _writer(protocol).abort()
        await self._server.wait_closed()


@dataclass(slots=True)
class _Mail:
    """One transaction, and the fault it carries to its end."""

    account: Account
    fault: Fault | None = None


class _Protocol(SMTP):
    """One connection. Its commands ask `_Desk` what the relay makes of them."""

    def __init__(self, relay: SmtpSandbox, register: set[_Protocol]) -> None:
        self._register = register
        self.desk = _Desk(relay)
        super().__init__(
            self.desk,
            data_size_limit=relay.kit.options.get(ROOM, PROVIDER)["largest_bytes"],
            enable_SMTPUTF8=True,
            hostname="relay.sandbox.example",
            ident="ESMTP sandbox",
            auth_require_tls=False,  # it stays on this machine
            authenticator=self.desk.authenticate,
            loop=asyncio.get_running_loop(),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._register.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._register.discard(self)
        super().connection_lost(error)

    async def push(self, status: AnyStr) -> None:
        """Nothing is said before everything it rests on is on disk."""
        await self.desk.kit.journal.flush()
        await super().push(status)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Refused before it begins, if the desk says so."""
        refusal = await self.desk.before_data(self)
        if refusal is not None:
            await self.push(refusal)
            return
        await super().smtp_DATA(arg)


class _Desk:
    """What the relay decides, command by command."""

    def __init__(self, relay: SmtpSandbox) -> None:
        self._relay = relay
        self.kit = relay.kit
        self._mail: _Mail | None = None

    def authenticate(
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,  # noqa: ARG002
        mechanism: str,  # noqa: ARG002
        given: Any,
    ) -> AuthResult:
        account = self._account(given)
        fault = self._pick(account, "AUTH", named=True) if account else None
        if account is None or fault is not None:
            reply = _worded(fault) if fault else _reply(535)
            self._record(account, "AUTH", reply, fault)
            return AuthResult(success=False, handled=False, message=reply)
        return AuthResult(success=True, auth_data=given)

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,
        envelope: Envelope,  # noqa: ARG002
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_NOOP(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,
        envelope: Envelope,  # noqa: ARG002
        arg: str,  # noqa: ARG002
    ) -> str:
        self._record(self._account(session.auth_data), "NOOP", "250 2.0.0 Ok", None)
        return "250 2.0.0 Ok"

    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        account = self._account(session.auth_data)
        if account is None:
            return self._refuse(None, "MAIL", _reply(530))
        mail = _Mail(account, self._pick(account, "MAIL"))
        if mail.fault and mail.fault.when == "before":
            if (refusal := await self._meet(server, mail, "MAIL")) is not None:
                return refusal
            mail.fault = None
        default = self.kit.options.get(ROOM, PROVIDER)["rate_per_s"]
        limit = account.rate_per_s or default
        if not self._relay.rate.take(account.id, limit, account.consumed_per_s).allowed:
            return self._refuse(account, "MAIL", "450 4.7.28 Sending too fast, try later")
        self._mail = mail
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        assert self._mail is not None
        if (refusal := await self._named(server, "RCPT")) is not None:
            return refusal
        local, _, domain = address.rpartition("@")
        refused = RECIPIENTS.get(local)
        if domain.endswith("invalid"):  # source: https://www.rfc-editor.org/rfc/rfc2606#section-2
            refused = (550, "5.1.2", "Domain not found")
        if refused is not None:
            return self._refuse(self._mail.account, "RCPT", "{} {} {}".format(*refused))
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def before_data(self, server: _Protocol) -> str | None:
        return await self._named(server, "DATA") if self._mail else None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802
        mail, self._mail = self._mail, None
        assert mail is not None
        item = self._accept(mail.account, envelope)
        reply = f"250 2.0.0 Ok: queued as {item}"
        fault = mail.fault
        told = _worded(fault) if fault and fault.kind == "status" else reply
        self._record(mail.account, "DATA", told, fault, item)
        return reply if fault is None else await self._answer(server, fault, told)

    async def _named(self, server: SMTP, command: str) -> str | None:
        """Meet a fault that was asked for at this very command."""
        assert self._mail is not None
        fault = self._pick(self._mail.account, command, named=True)
        if fault is None:
            return None
        if fault.when == "after":
            self._mail.fault = fault
            return None
        return await self._meet(server, _Mail(self._mail.account, fault), command)

    async def _meet(self, server: SMTP, mail: _Mail, command: str) -> str | None:
        """A fault before anything was accepted; None if it was only slow."""
        assert mail.fault is not None
        if mail.fault.kind in ("latency", "drip"):
            await asyncio.sleep(mail.fault.latency_s)
            return None
        told = _worded(mail.fault)
        self._record(mail.account, command, told, mail.fault)
        return await self._answer(server, mail.fault, told)

    async def _answer(self, server: SMTP, fault: Fault, told: str) -> str:
        await self.kit.journal.flush()
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.latency_s)
            case "drip":
                _writer(server).write(told[:3].encode())
                await asyncio.sleep(fault.latency_s)
                return told[3:]
            case "malformed":
                return "what was said here was no reply"
            case "hang":
                await asyncio.Event().wait()
            case "reset" | "truncate":
                if fault.kind == "reset":
                    abort_with_reset(_writer(server))
                else:
                    _writer(server).write(told[:2].encode())
                    _writer(server).close()
                await asyncio.Event().wait()
            case _:
                pass
        return told

    def _refuse(self, account: Account | None, command: str, reply: str) -> str:
        self._record(account, command, reply, None)
        return reply

    def _accept(self, account: Account, envelope: Envelope) -> str:
        item = secrets.token_hex(5).upper()
        assert isinstance(envelope.content, bytes)
        content = _content(envelope.content)
        said = [content["to"], content["subject"], content["html"], content["text"]]
        self.kit.outbox.add(
            Accepted(
                id=item,
                room=ROOM,
                provider=PROVIDER,
                account=account.id,
                at=self.kit.clock.now().isoformat(),
                digest=digest_of(said),
                content={**content, "envelope": [envelope.mail_from, *envelope.rcpt_tos]},
            )
        )
        return item

    def _account(self, given: Any) -> Account | None:
        if not isinstance(given, LoginPassword):
            return None
        key = f"{given.login.decode(errors='replace')}:{given.password.decode(errors='replace')}"
        return self.kit.accounts.by_key(ROOM, PROVIDER, key)

    def _pick(self, account: Account, command: str, *, named: bool = False) -> Fault | None:
        call = Call(command, "/", "", {}, b"", self.kit.clock.now())
        return self.kit.faults.pick(ROOM, PROVIDER, account.id, call, named=named)

    def _record(
        self,
        account: Account | None,
        command: str,
        reply: str,
        fault: Fault | None,
        item: str | None = None,
    ) -> None:
        lost = fault is not None and fault.kind in ("hang", "reset", "truncate")
        self.kit.recorder.record(
            Entry(
                number=self.kit.recorder.count + 1,
                at=self.kit.clock.now().isoformat(),
                room=ROOM,
                provider=PROVIDER,
                account=account.id if account else None,
                method=command,
                path="",
                idempotency_key=None,
                http=None if lost else int(reply[:3]),
                request_id=item or secrets.token_hex(5).upper(),
                accepted=(item,) if item else (),
                replayed=False,
                fault=fault.id if fault else None,
            )
        )


def _writer(server: SMTP) -> asyncio.WriteTransport:
    """Whatever loop it is of: uvloop's is none of asyncio's classes."""
    return cast(asyncio.WriteTransport, server.transport)


def _content(raw: bytes) -> dict[str, Any]:
    """What a person sees of it; files by name and kind only."""
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    headers = {
        name: str(message.get(header, ""))
        for name, header in (
            ("from", "From"),
            ("reply_to", "Reply-To"),
            ("subject", "Subject"),
            ("message_id", "Message-ID"),
        )
    }
    return {
        **headers,
        "to": [str(address) for address in message["To"].addresses] if message["To"] else [],
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "attachments": [
            {"filename": part.get_filename(), "content_type": part.get_content_type()}
            for part in message.iter_attachments()
        ],
    }


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content()).replace("\r\n", "\n")


def _worded(fault: Fault) -> str:
    """An injected status, with what a server says with that code unless it was told otherwise."""
    return _reply(fault.http, fault.name, fault.message)


def _reply(code: int, enhanced: str | None = None, text: str | None = None) -> str:
    usual, says = REPLIES.get(code, (f"{code // 100}.0.0", "Failed"))
    return f"{code} {enhanced or usual} {text or says}"
