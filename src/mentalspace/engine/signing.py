"""Signs short tokens that travel in links: what one names cannot be altered or made up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mentalspace.kernel.errors import MentalSpaceError

_EXPIRY_BYTES = 4
_TAG_BYTES = 16


class SignatureBroken(MentalSpaceError):
    """The token is not one of ours for this purpose; which check failed is nobody's business."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`id` stands in the token, so that the key it was signed with is found again."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a token says. Whether it has expired is for the reader to judge, who may still have
    a kind word for whoever comes late."""

    body: bytes
    expires_at: datetime


def derive_keys(master_key: bytes, key_ids: Sequence[str]) -> tuple[SigningKey, ...]:
    """A key for each id. An id taken out of the list is a key that no longer opens anything."""
    return tuple(
        SigningKey(
            key_id,
            HKDF(SHA256(), 32, salt=None, info=f"mentalspace|signing|{key_id}".encode()).derive(
                master_key
            ),
        )
        for key_id in key_ids
    )


class Signer:
    """The first key signs, each of them verifies: while an old one is listed, nothing is lost."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._first = keys[0]
        self._keys = tuple(keys)

    def sign(self, purpose: str, body: bytes, expires_at: datetime) -> str:
        """`key.text`, in letters, digits, `.`, `-` and `_`. The body is readable by anybody:
        put nothing private into it."""
        signed = int(expires_at.timestamp()).to_bytes(_EXPIRY_BYTES) + body
        tag = _tag(self._first, purpose, signed)
        return f"{self._first.id}.{_encode(signed + tag)}"

    def open(self, purpose: str, token: str) -> Signed:
        """Raises SignatureBroken unless it was signed here, for this purpose, as it stands."""
        key_id, _, text = token.partition(".")
        raw = _decode(text)
        signed, tag = raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]
        # Two master keys give two keys of one id.
        tags = [_tag(key, purpose, signed) for key in self._keys if key.id == key_id]
        if len(signed) < _EXPIRY_BYTES or not any(hmac.compare_digest(tag, t) for t in tags):
            raise SignatureBroken("the token is not one of ours")
        expiry = int.from_bytes(signed[:_EXPIRY_BYTES])
        return Signed(signed[_EXPIRY_BYTES:], datetime.fromtimestamp(expiry, UTC))


def _tag(key: SigningKey, purpose: str, signed: bytes) -> bytes:
    message = f"{purpose}|{key.id}|".encode() + signed
    return hmac.new(key.secret, message, hashlib.sha256).digest()[:_TAG_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Nothing for what we would not have written so: one token has one spelling."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
    return raw if _encode(raw) == text else b""
