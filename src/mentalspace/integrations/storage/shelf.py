"""What a place for files can do, whichever it is. Bytes lie under names that say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

# How long bytes may be there before their row is. An upload that takes longer between its last
# byte and its row is not known.
GRACE_S = 3600.0
# How many names are asked after at once.
AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Shelved:
    """A name on the shelf, and when it was made, in seconds since 1970."""

    version: str
    made_at: float


class Draft(Protocol):
    """A file on its way in, found by nobody. One of `publish` and `abandon` ends it."""

    def write(self, piece: bytes | bytearray) -> None: ...

    def publish(self) -> None:
        """Let it be found, whole and kept: it was not there, and now is."""
        ...

    def abandon(self) -> None:
        """Leave nothing of it. Does nothing to one that was published."""
        ...


class Source(Protocol):
    """Bytes on their way out."""

    def read(self, most: int, /) -> bytes:
        """The next ones; empty after the last."""
        ...

    def close(self) -> None: ...


class Shelf(Protocol):
    """A version is a name: a UUID, used once, and never written again. Places, sizes and stretches
    are of the bytes as they lie there, which are locked.

    What is called here waits for a disk or a line: from a loop, in a thread. It raises OSError,
    FileNotFoundError where there is no such version.
    """

    @property
    def grace_s(self) -> float:
        """How old a name or a draft must be, by what is known of its age here, before it is
        cleared."""
        ...

    def begin(self, practice_id: UUID, version: str) -> Draft: ...

    def open(self, practice_id: UUID, version: str, start: int, end: int) -> Source:
        """From byte `start`; nobody reads beyond `end`, which may lie beyond the file's."""
        ...

    def size(self, practice_id: UUID, version: str) -> int: ...

    def link(self, practice_id: UUID, version: str, new_version: str) -> None:
        """The same bytes under a second name; either may be deleted."""
        ...

    def delete(self, practice_id: UUID, version: str) -> None:
        """Twice is no mistake."""
        ...

    def practices(self) -> list[UUID]:
        """Whose files are here."""
        ...

    def versions(self, practice_id: UUID) -> Iterator[Shelved]:
        """Every file of a practice."""
        ...

    def missing(self, practice_id: UUID, versions: list[str]) -> list[str]:
        """Those that are not here. The versions are sorted."""
        ...

    def clear_drafts(self, before: float) -> int:
        """Clear what began before then and was never published; how many there were."""
        ...
