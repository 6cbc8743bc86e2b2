"""Where files lie: one folder for each practice, under names that say nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

LANDING = "landing"
PARTIAL = "partial"


class Shelf:
    """Files under one folder, which several hosts may share. A name is a version: random, used
    once, and never written again.

    What is called here touches the disk: from a loop, in a thread.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, practice_id: UUID, version: str) -> Path:
        """Raises ValueError for a version that is not one of ours: it is part of a path."""
        if str(UUID(version)) != version:
            raise ValueError("a version is a UUID as it was given")
        return self.root / str(practice_id) / version[:2] / version

    def land(self) -> Path:
        """A new, empty name outside the practices' folders, where nothing is read from."""
        folder = self.root / LANDING
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / str(uuid4())

    def partial(self, upload_id: UUID) -> Path:
        """What came of an upload that may be broken off and gone on with."""
        return self.root / PARTIAL / str(upload_id)

    def begin(self, upload_id: UUID) -> None:
        """A place for it, empty, which outlives a power cut."""
        place = self.partial(upload_id)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _sync_folder(place.parent)

    def partials(self) -> Iterator[Path]:
        folder = self.root / PARTIAL
        return folder.iterdir() if folder.is_dir() else iter(())

    def publish(self, landed: Path, practice_id: UUID, version: str) -> None:
        """Let a landed file, whole and synced, be found: it was not there, and now is."""
        place = self._made(practice_id, version)
        landed.rename(place)
        _sync_folder(place.parent)

    def link(self, practice_id: UUID, version: str, new_version: str) -> None:
        """A second name for the same bytes; either may be deleted. Raises FileNotFoundError."""
        place = self._made(practice_id, new_version)
        os.link(self.place(practice_id, version), place)
        _sync_folder(place.parent)

    def delete(self, practice_id: UUID, version: str) -> None:
        """Twice is no mistake."""
        self.place(practice_id, version).unlink(missing_ok=True)

    def practices(self) -> list[UUID]:
        if not self.root.is_dir():
            return []
        names = (entry.name for entry in os.scandir(self.root) if entry.is_dir())
        return sorted(UUID(name) for name in names if name not in (LANDING, PARTIAL))

    def versions(self, practice_id: UUID) -> Iterator[os.DirEntry[str]]:
        """Every file of a practice."""
        for folder in sorted((self.root / str(practice_id)).iterdir()):
            with os.scandir(folder) as entries:
                yield from entries

    def landings(self) -> Iterator[Path]:
        folder = self.root / LANDING
        return folder.iterdir() if folder.is_dir() else iter(())

    def _made(self, practice_id: UUID, version: str) -> Path:
        place = self.place(practice_id, version)
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sync_folder(place.parent.parent)
            _sync_folder(self.root)
        return place


def _sync_folder(folder: Path) -> None:
    """A name outlives a power cut only once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
