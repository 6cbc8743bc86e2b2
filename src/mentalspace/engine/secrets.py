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

_VERSION = b"\x01"
_NONCE_BYTES = 12


class SealBroken(MentalSpaceError):
    """The bytes are not what we sealed for this practice and purpose, or the key is another."""


class Vault:
    """AES-256-GCM under one key per practice and purpose, derived from the master key."""

    def __init__(self, master_key: bytes) -> None:
        self._master_key = master_key

    def seal(self, practice_id: UUID, purpose: str, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        context = _context(practice_id, purpose)
        return _VERSION + nonce + self._cipher(context).encrypt(nonce, plain, context)

    def open(self, practice_id: UUID, purpose: str, sealed: bytes) -> bytes:
        """Raises SealBroken rather than return bytes of another practice or purpose."""
        context = _context(practice_id, purpose)
        nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return self._cipher(context).decrypt(nonce, body, context)
        except (InvalidTag, ValueError) as error:
            raise SealBroken(
                f"{purpose}: cannot be opened; is MENTALSPACE_MASTER_KEY the one that sealed it?"
            ) from error

    def recipient_key(self, practice_id: UUID, address: str) -> str:
        """A keyed hash of an address: the same person counts once, and nobody is named."""
        message = _context(practice_id, "recipient") + address.strip().lower().encode()
        return hmac.new(self._master_key, message, hashlib.sha256).hexdigest()[:32]

    def _cipher(self, context: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=context).derive(self._master_key))


def _context(practice_id: UUID, purpose: str) -> bytes:
    return b"mentalspace|" + practice_id.bytes + b"|" + purpose.encode()
