"""Looks at an upload as it comes: its size, its declared type, and what it really is."""

from __future__ import annotations

from typing import Protocol

from mentalspace.integrations.storage.model import USUAL_LIMIT, is_allowed, media_type
from mentalspace.integrations.storage.refusal import TOO_LARGE, WRONG_TYPE, Refused
from mentalspace.integrations.storage.sniff import ENOUGH, is_what_it_says
from mentalspace.integrations.storage.store.objects import Limits

_ANYTHING = "application/octet-stream"


class Landing(Protocol):
    """Where an upload's bytes go; `size` is how many there are."""

    @property
    def size(self) -> int: ...

    async def write(self, piece: bytes) -> None: ...


class Intake:
    """Between the wire and the landing. Every method raises Refused as soon as it is sure."""

    def __init__(self, landing: Landing, limits: Limits) -> None:
        self._landing = landing
        self._limits = limits
        self._most = limits.size or USUAL_LIMIT
        self._head = bytearray()
        self._known = False
        self.media_type = _ANYTHING

    def announce(self, size: int) -> None:
        """A length that was told before the first byte; it may be wrong, and is counted anyway."""
        require_size(size, self._limits)

    def declare(self, content_type: str) -> None:
        """What the sender says it is; nothing at all is any bytes."""
        self.media_type = declared(content_type, self._limits)

    def go_on_after(self, head: bytes) -> None:
        """The landing holds something already, and begins so."""
        self._take_in(head)

    async def write(self, piece: bytes) -> None:
        if self._landing.size + len(piece) > self._most:
            raise Refused(TOO_LARGE)
        self._take_in(piece)
        await self._landing.write(piece)

    def finish(self) -> None:
        """Nothing more comes."""
        if not self._known:
            self._look()

    def _take_in(self, piece: bytes) -> None:
        if not self._known:
            self._head += piece[: ENOUGH - len(self._head)]
            if len(self._head) >= ENOUGH:
                self._look()

    def _look(self) -> None:
        self._known = True
        if not is_what_it_says(self.media_type, bytes(self._head)):
            raise Refused(WRONG_TYPE, "The file is not of the type that it is said to be")


def declared(content_type: str, limits: Limits) -> str:
    """The type that was said, if the bucket takes it; nothing said is any bytes. Raises Refused."""
    media = media_type(content_type) if content_type.strip() else _ANYTHING
    if not media:
        raise Refused(WRONG_TYPE)
    require_type(media, limits)
    return media


def require_size(size: int, limits: Limits) -> None:
    """Raises Refused."""
    if size > (limits.size or USUAL_LIMIT):
        raise Refused(TOO_LARGE)


def require_type(media: str, limits: Limits) -> None:
    if not is_allowed(media, limits.types):
        raise Refused(WRONG_TYPE, f"mime type {media} is not supported")
