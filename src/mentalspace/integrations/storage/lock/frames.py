"""How a file lies on a shelf: locked under a key of its own, in frames that are opened one by one.

Each frame says by its place and by a mark whether it is the last, so that frames that were swapped,
repeated or left off are met as surely as altered ones. A key locks one file and never another.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

# So much of a file is in one frame, the last of it aside: what a range reads at the least.
FRAME = 2**18

# What every locked file begins with: the form, and the frame's size as a power of two.
HEAD = b"MSfile\x01\x12"
_TAG = 16
_KEY_BYTES = 32


class FrameBroken(Exception):
    """These are not the bytes that were locked there, or the key is another file's."""


def new_key() -> bytes:
    return os.urandom(_KEY_BYTES)


class Frames:
    """AES-256-GCM. `number` counts from 0; a frame but the last is of FRAME bytes.

    By contexts, which leave the interpreter to others while they compute, as AESGCM does not.
    """

    def __init__(self, key: bytes) -> None:
        self._key = AES(key)

    def lock(self, number: int, plain: bytes | memoryview, *, is_last: bool) -> bytes:
        locking = Cipher(self._key, GCM(_nonce(number, is_last))).encryptor()
        locking.authenticate_additional_data(HEAD)
        return locking.update(plain) + locking.finalize() + locking.tag

    def open(self, number: int, locked: bytes, *, is_last: bool) -> bytes:
        """Nothing of it before all of it is proven. Raises FrameBroken."""
        if len(locked) < _TAG:
            raise FrameBroken
        tag = locked[-_TAG:]
        opening = Cipher(self._key, GCM(_nonce(number, is_last), tag)).decryptor()
        opening.authenticate_additional_data(HEAD)
        plain = opening.update(memoryview(locked)[:-_TAG])
        try:
            return plain + opening.finalize()
        except InvalidTag as error:
            raise FrameBroken from error


def count_of(size: int) -> int:
    """How many frames a file of `size` bytes has; an empty one has an empty frame."""
    return max(1, -(-size // FRAME))


def locked_size(size: int) -> int:
    """How long a file of `size` bytes is on the shelf."""
    return len(HEAD) + size + count_of(size) * _TAG


def place_of(number: int, size: int) -> tuple[int, int]:
    """Where on the shelf the frame of a file of `size` bytes begins, and the first byte after."""
    begins = len(HEAD) + number * (FRAME + _TAG)
    return begins, min(begins + FRAME + _TAG, locked_size(size))


def _nonce(number: int, is_last: bool) -> bytes:
    # source: https://eprint.iacr.org/2015/189 (STREAM: a counter, and a mark of the last)
    return number.to_bytes(11, "big") + (b"\x01" if is_last else b"\x00")
