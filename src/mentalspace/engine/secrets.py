"""Encrypts what must not lie readable in the database: credentials, rendered bodies, raw hooks."""

from __future__ import annotations

import hashlib
import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mentalspace.kernel.errors import MentalSpaceError

# Before keys had names, a seal did not say under which it was made.
_NAMELESS, _NAMED = b"\x01", b"\x02"
_NAME_BYTES = 4
_NONCE_BYTES = 12


class SealBroken(MentalSpaceError):
    """The bytes are not what we sealed for this practice and purpose, or the key is another."""


class Vault:
    """AES-256-GCM under one key per practice and purpose, derived from the master key.

    `before` are master keys that were used earlier: they still open, and seal nothing.
    `recipients` keys the hash that people are counted and suppressed by; it outlives the master
    key that it was first derived from, the oldest one known.
    """

    def __init__(self, master_key: bytes, *before: bytes, recipients: bytes | None = None) -> None:
        self._keys = {_name(key): key for key in (master_key, *before)}
        self._master_key = master_key
        self._mark = _NAMED + _name(master_key)
        oldest = [master_key, *before][-1]
        self.recipients = recipients or HKDF(
            SHA256(), 32, salt=None, info=b"mentalspace|recipients"
        ).derive(oldest)

    @property
    def mark(self) -> bytes:
        """How everything begins that was sealed under today's master key."""
        return self._mark

    def keeping(self, recipients: bytes) -> Vault:
        """The same keys, with the recipients' key that this installation has kept."""
        kept = Vault.__new__(Vault)
        kept._keys, kept._master_key, kept._mark = self._keys, self._master_key, self._mark
        kept.recipients = recipients
        return kept

    def seal(self, practice_id: UUID, purpose: str, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        context = _context(practice_id, purpose)
        return (
            self._mark + nonce + _cipher(self._master_key, context).encrypt(nonce, plain, context)
        )

    def open(self, practice_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """Raises SealBroken rather than return bytes of another practice or purpose."""
        context = _context(practice_id, purpose)
        keys, sealed = self._keys_of(sealed)
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for key in keys:
            try:
                return _cipher(key, context).decrypt(nonce, body, context)
            except (InvalidTag, ValueError):
                continue
        raise SealBroken(
            f"{purpose}: cannot be opened; is MENTALSPACE_MASTER_KEY the one that sealed it?"
        )

    def _keys_of(self, sealed: bytes) -> tuple[list[bytes], bytes]:
        """The keys that may open it, and what follows the seal's head."""
        if sealed[:1] == _NAMED:
            name = sealed[1 : 1 + _NAME_BYTES]
            return [key for known, key in self._keys.items() if known == name], sealed[
                1 + _NAME_BYTES :
            ]
        return list(self._keys.values()) if sealed[:1] == _NAMELESS else [], sealed[1:]

    def recipient_key(self, practice_id: UUID, address: str) -> str:
        """A keyed hash of an address: the same person counts once, and nobody is named."""
        message = _context(practice_id, "recipient") + address.strip().lower().encode()
        return hmac.new(self.recipients, message, hashlib.sha256).hexdigest()[:32]

    def tag(self, purpose: str, message: bytes) -> bytes:
        """A keyed hash under today's master key, of 32 bytes; another purpose gives another."""
        key = HKDF(SHA256(), 32, salt=None, info=f"mentalspace|tag|{purpose}".encode()).derive(
            self._master_key
        )
        return hmac.new(key, message, hashlib.sha256).digest()


def _context(practice_id: UUID, purpose: str) -> bytes:
    return b"mentalspace|" + practice_id.bytes + b"|" + purpose.encode()


def _cipher(master_key: bytes, context: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=context).derive(master_key))


def _name(master_key: bytes) -> bytes:
    """Tells one master key from another, and says nothing of either."""
    return HKDF(SHA256(), _NAME_BYTES, salt=None, info=b"mentalspace|name").derive(master_key)
