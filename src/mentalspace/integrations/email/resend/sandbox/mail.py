"""What Resend accepts as a mail, and what it says of everything else."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from typing import Any

from mentalspace.integrations.email.resend.sandbox.errors import Problem, invalid, missing

Json = dict[str, Any]

# source: https://resend.com/docs/api-reference/emails/send-email
MOST_RECIPIENTS = 50
MOST_BYTES = 40 * 1024 * 1024  # after base64

ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
NAMED = re.compile(r"[^<>]*<([^<>]+)>")
TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")


def check_mail(email: Any, *, in_batch: bool = False) -> None:
    """Raise the Problem Resend would answer with, senders aside. Unknown fields pass."""
    if not isinstance(email, dict):
        raise invalid("The request body must be an object.")
    needed = ("to",) if email.get("template") else ("from", "to", "subject")
    for field in needed:
        if not email.get(field):
            raise missing(field)
    if not any(email.get(field) for field in ("html", "text", "template")):
        raise Problem(422, "missing_required_field", "Missing `html` or `text` field.")
    for field in ("subject", "html", "text"):
        if not isinstance(email.get(field) or "", str):
            raise invalid(f"The `{field}` field must be a `string`.")
    if re.search(r"[\r\n]", email.get("subject") or ""):
        raise invalid("The `\\n` is not allowed in the `subject` field.")
    _check_addresses(email)
    _check_tags(email.get("tags"))
    _check_headers(email.get("headers"))
    if in_batch and email.get("attachments"):
        raise invalid("The `attachments` field is not supported in batch.")
    attachments_of(email)


def check_address(field: str, value: Any) -> None:
    address = bare(value) if isinstance(value, str) else ""
    if not ADDRESS.fullmatch(address):
        raise invalid(
            f"Invalid `{field}` field. The email address needs to follow the "
            "`email@example.com` or `Name <email@example.com>` format."
        )
    domain = domain_of(address)
    # source: messages quoted in several public reports of the live API
    if field == "to" and domain in ("example.com", "test.com"):
        raise invalid(
            "Invalid `to` field. Please use our testing email address instead of domains like "
            f"`{domain}`."
        )


def attachments_of(email: Mapping[str, Any]) -> list[Json]:
    """The files of a mail, decoded no further than to know them; raises the Problem of a bad one.

    A `path` is refused: Resend would fetch it, and a sandbox fetches nothing.
    """
    given = email.get("attachments") or []
    if not isinstance(given, list):
        raise invalid("The `attachments` field must be an `array`.")
    files = [_attachment(one) for one in given]
    size = sum(-(-file["size"] // 3) * 4 for file in files)
    size += sum(len((email.get(part) or "").encode()) for part in ("html", "text"))
    if size > MOST_BYTES:
        raise invalid("The email is too large: at most 40MB, attachments encoded in base64.")
    return files


def bare(address: str) -> str:
    """`Name <a@b.org>` without the name."""
    named = NAMED.fullmatch(address.strip())
    return (named[1] if named else address).strip()


def domain_of(address: str) -> str:
    return bare(address).rpartition("@")[2].lower()


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def recipients_of(email: Mapping[str, Any]) -> list[str]:
    """All of them; each counts as a mail of its own against the quota."""
    return [one for field in ("to", "cc", "bcc") for one in as_list(email.get(field))]


def _check_addresses(email: Mapping[str, Any]) -> None:
    for field in ("to", "cc", "bcc", "reply_to"):
        addresses = as_list(email.get(field))
        if len(addresses) > MOST_RECIPIENTS:
            raise invalid(f"The `{field}` field accepts at most {MOST_RECIPIENTS} addresses.")
        for address in addresses:
            check_address(field, address)


def _check_tags(tags: Any) -> None:
    if not isinstance(tags or [], list):
        raise invalid("The `tags` field must be an `array`.")
    for tag in tags or ():
        if not isinstance(tag, dict):
            raise invalid("Each tag must be an `object`.")
        if not all(TAG.fullmatch(str(tag.get(part, "x"))) for part in ("name", "value")):
            raise invalid(
                "Tags should only contain ASCII letters, numbers, underscores, or dashes."
            )
        if not tag.get("name"):
            raise missing("name")


def _check_headers(headers: Any) -> None:
    if not isinstance(headers or {}, dict):
        raise invalid("The `headers` field must be an `object`.")
    for name, value in (headers or {}).items():
        if not HEADER_NAME.fullmatch(name) or not isinstance(value, str) or "\n" in value:
            raise invalid("Each of the `headers` must be a name with a `string`.")


def _attachment(given: Any) -> Json:
    if not isinstance(given, dict):
        raise Problem(422, "invalid_attachment")
    content, filename = given.get("content"), given.get("filename")
    if content is None and given.get("path"):
        raise Problem(422, "invalid_attachment", "Attachment could not be fetched from its `path`.")
    if content is None:
        raise Problem(422, "invalid_attachment")
    raw = _decoded(content)
    guessed, _encoding = mimetypes.guess_type(str(filename or ""))
    return {
        "filename": filename,
        "content_type": given.get("content_type") or guessed or "application/octet-stream",
        "content_id": given.get("content_id") or given.get("inline_content_id"),
        "size": len(raw),
        "content": base64.b64encode(raw).decode(),
    }


def _decoded(content: Any) -> bytes:
    """Base64, or a list of byte values as some of Resend's clients send it."""
    try:
        if isinstance(content, list):
            return bytes(content)
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise Problem(
            422, "invalid_attachment", "Attachment `content` must be encoded in base64."
        ) from error
