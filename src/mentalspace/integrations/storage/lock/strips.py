"""How an upload lies on a disk while it grows: locked in strips, each what was written at one time.

Where frames need to know which is the last, a strip is whole by itself: it says before its bytes
where in the upload it begins, and behind them how long it was. So the end of a file tells how far
the upload has come, and one that a crash tore is met. A key locks one upload and nothing else.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# Before its bytes: where they begin and how many they are, and a nonce. Behind them the tag, and
# their number again, for whoever comes from the end.
_PLACE = struct.Struct(">QI")
_LENGTH = struct.Struct(">I")
_NONCE_BYTES = 12
_TAG = 16

HEAD = _PLACE.size + _NONCE_BYTES
TAIL = _LENGTH.size
# How much longer a strip is than what it holds.
MORE = HEAD + _TAG + TAIL


class StripBroken(Exception):
    """These are not the bytes that were locked there, or not all of them."""


class Strips:
    """AES-256-GCM, each strip under a nonce drawn for it: after a crash other bytes may come to lie
    where some lay before."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def lock(self, start: int, plain: bytes | bytearray | memoryview) -> bytes:
        """What was written from `start` on."""
        nonce, place = os.urandom(_NONCE_BYTES), _PLACE.pack(start, len(plain))
        locked = self._cipher.encrypt(nonce, plain, place)
        return b"".join((place, nonce, locked, _LENGTH.pack(len(plain))))

    def open(self, raw: bytes) -> tuple[int, bytes]:
        """A whole strip: where it begins, and what it holds. Raises StripBroken."""
        if len(raw) < MORE or size_before(raw[-TAIL:]) != len(raw) - MORE:
            raise StripBroken
        view = memoryview(raw)
        place, nonce = view[: _PLACE.size], view[_PLACE.size : HEAD]
        try:
            plain = self._cipher.decrypt(nonce, view[HEAD:-TAIL], place)
        except InvalidTag as error:
            raise StripBroken from error
        start, length = _PLACE.unpack(place)
        if length != len(plain):
            raise StripBroken
        return start, plain


def size_after(head: bytes) -> int:
    """How many bytes the strip holds that begins so. Raises StripBroken."""
    if len(head) < HEAD:
        raise StripBroken
    size: int = _PLACE.unpack_from(head)[1]
    return size


def size_before(tail: bytes) -> int:
    """How many bytes the strip holds that ends so. Raises StripBroken."""
    if len(tail) < TAIL:
        raise StripBroken
    size: int = _LENGTH.unpack(tail)[0]
    return size
