"""Where uploads wait that may be broken off and gone on with: on a disk, whatever the shelf is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

PARTIAL = "partial"


class Partials:
    """A folder that several hosts may share. Touches the disk: from a loop, in a thread."""

    def __init__(self, root: Path) -> None:
        self._folder = root / PARTIAL

    def place(self, upload_id: UUID) -> Path:
        """What came of an upload so far."""
        return self._folder / str(upload_id)

    def begin(self, upload_id: UUID) -> None:
        """A place for it, empty, which outlives a power cut."""
        place = self.place(upload_id)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        sync_folder(place.parent)

    def all(self) -> Iterator[Path]:
        return self._folder.iterdir() if self._folder.is_dir() else iter(())


def sync_folder(folder: Path) -> None:
    """A name outlives a power cut only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
