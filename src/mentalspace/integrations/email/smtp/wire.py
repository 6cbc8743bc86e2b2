"""SMTP's own shapes: addresses, the message as bytes, and what a reply is evidence of."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import urlsplit

from mentalspace.integrations.email.model import Attachment, Mail
from mentalspace.kernel.errors import Evidence, ProviderError
from mentalspace.kernel.phi import Phi
from mentalspace.kernel.said import read_sentences

# Submission, and submission within TLS.
# source: https://www.rfc-editor.org/rfc/rfc6409#section-3.1
# source: https://www.rfc-editor.org/rfc/rfc8314#section-3.3
PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# source: https://www.rfc-editor.org/rfc/rfc3463#section-2
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s|$)")
# Each line of a reply may begin with it.
# source: https://www.rfc-editor.org/rfc/rfc2034#section-4
_AT_LINES = re.compile(rf"^{_ENHANCED.pattern}", re.MULTILINE)
# What Google ends each of its replies with: who answered.
_SIGNED = re.compile(r"\s+\S+ - gsmtp$")
_KNOWN = Path(__file__).with_name("said.toml").read_text()
_SAID = read_sentences(_KNOWN)
_MEANT: Mapping[str, str] = tomllib.loads(_KNOWN)["codes"]
# A class and nothing more: `5.0.0` says no more than the 5 of its 550 did.
_SAYS_NOTHING = re.compile(r"[245]\.0\.0")
# Where servers put the name under which they keep it: Postfix, Sendmail; Exim.
_QUEUE_ID = re.compile(r"(?:queued as|id=)\s*([A-Za-z0-9.-]{4,64})")
# Every line survives: no relay may break or recode what is 7 bits wide.
_POLICY = SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the relay is. `wrapped` is TLS from the first byte."""

    host: str
    port: int
    wrapped: bool

    @property
    def here(self) -> bool:
        """On this machine: what is said to it is heard by nobody else."""
        return self.host in _LOOPBACK


def relay_at(base_url: str) -> Relay:
    """`smtp://host[:port]` or `smtps://host[:port]`. Raises ProviderError for anything else."""
    try:
        parts = urlsplit(base_url)
        port = parts.port or PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise ProviderError(Evidence("connect", code="bad_address")) from error
    if not parts.hostname:
        raise ProviderError(Evidence("connect", code="bad_address"))
    return Relay(parts.hostname, port, parts.scheme == "smtps")


def message_id(mail: Mail, idempotency_key: str) -> str:
    """The same for the same delivery, so that whoever sees it twice can tell.

    source: https://www.rfc-editor.org/rfc/rfc5322#section-3.6.4
    """
    domain = bare(mail.sender).rpartition("@")[2]
    return f"<{hashlib.sha256(idempotency_key.encode()).hexdigest()[:40]}@{domain}>"


def bare(address: str) -> str:
    """The address without the name before it: what the envelope carries."""
    return parseaddr(address)[1]


def message_bytes(mail: Mail, mail_id: str, now: datetime) -> bytes:
    """The mail as it travels: text and HTML as alternatives, files beside them."""
    plain = f"{mail.sender}{mail.to}{mail.reply_to}".isascii()
    message = EmailMessage(policy=_POLICY if plain else _POLICY.clone(utf8=True))
    message["From"] = mail.sender
    message["To"] = mail.to
    message["Reply-To"] = mail.reply_to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = mail_id
    # Nobody's out-of-office reply is wanted.
    # source: https://www.rfc-editor.org/rfc/rfc3834#section-5
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        _attach(message, attachment)
    return message.as_bytes()


def reply_evidence(stage: str, code: int, text: str) -> Evidence:
    """What a refusal says. Its code is the enhanced one, or which command was refused.

    The prose may quote an address, so it stays PHI; told is the known sentence that it is, or what
    the enhanced code means.
    """
    found = _ENHANCED.match(text)
    enhanced = found[1] if found and not _SAYS_NOTHING.fullmatch(found[1]) else None
    return Evidence(
        "reply",
        http=code,
        code=enhanced or f"{stage}_refused",
        message=Phi(text),
        retry_after_s=None,
        said=_SAID.find(_prose(text)) or _MEANT.get((enhanced or "").partition(".")[2]),
    )


def _prose(text: str) -> Phi[str]:
    """The words alone, of all its lines."""
    return Phi(_SIGNED.sub("", " ".join(_AT_LINES.sub("", text).split())))


def queue_id(text: str) -> str | None:
    """Under which name the relay keeps it, if its reply says so: what its log is searched by."""
    found = _QUEUE_ID.search(text)
    return found[1] if found else None


def _attach(message: EmailMessage, attachment: Attachment) -> None:
    header = EmailMessage()
    header["Content-Type"] = attachment.content_type
    kind = header["Content-Type"]
    message.add_attachment(
        base64.b64decode(attachment.content),
        maintype=kind.maintype,
        subtype=kind.subtype,
        filename=attachment.filename,
        params=dict(kind.params),
    )
