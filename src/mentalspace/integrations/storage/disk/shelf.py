"""Where files lie: one folder for each practice, under names that say nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid4

from mentalspace.integrations.storage.disk.partials import PARTIAL, sync_folder
from mentalspace.integrations.storage.ours import as_uuid, ours
from mentalspace.integrations.storage.shelf import GRACE_S, Shelved

LANDING = "landing"


class DiskShelf:
    """A Shelf under one folder, which several hosts may share."""

    grace_s = GRACE_S

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, practice_id: UUID, version: str) -> Path:
        """Raises ValueError for a version that is not one of ours: it is part of a path."""
        if as_uuid(version) is None:
            raise ValueError("a version is a UUID as it was given")
        return self.root / str(practice_id) / version[:2] / version

    def begin(self, practice_id: UUID, version: str) -> DiskDraft:
        return DiskDraft(self, practice_id, version)

    def open(self, practice_id: UUID, version: str, start: int, end: int) -> BinaryIO:  # noqa: ARG002
        file = self.place(practice_id, version).open("rb", buffering=0)
        file.seek(start)
        return file

    def size(self, practice_id: UUID, version: str) -> int:
        return self.place(practice_id, version).stat().st_size

    def link(self, practice_id: UUID, version: str, new_version: str) -> None:
        """A second name for the same bytes."""
        place = self.made(practice_id, new_version)
        os.link(self.place(practice_id, version), place)
        sync_folder(place.parent)

    def delete(self, practice_id: UUID, version: str) -> None:
        self.place(practice_id, version).unlink(missing_ok=True)

    def practices(self) -> list[UUID]:
        if not self.root.is_dir():
            return []
        folders = [entry.name for entry in os.scandir(self.root) if entry.is_dir()]
        names = (name for name in folders if name not in (LANDING, PARTIAL))
        return sorted(UUID(name) for name in ours(names, str))

    def versions(self, practice_id: UUID) -> Iterator[Shelved]:
        """By when the name was made: a copy's bytes are as old as what they are a copy of."""
        for entry in ours(self._entries(practice_id), lambda entry: entry.name):
            with suppress(FileNotFoundError):
                yield Shelved(entry.name, entry.stat().st_ctime)

    def missing(self, practice_id: UUID, versions: list[str]) -> list[str]:
        return [one for one in versions if not self.place(practice_id, one).is_file()]

    def clear_drafts(self, before: float) -> int:
        cleared = 0
        folder = self.root / LANDING
        for path in ours(folder.iterdir() if folder.is_dir() else (), lambda path: path.name):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    cleared += 1
        return cleared

    def _entries(self, practice_id: UUID) -> Iterator[os.DirEntry[str]]:
        """Every file in the folders where a practice's versions lie."""
        for folder in sorted((self.root / str(practice_id)).glob("[0-9a-f][0-9a-f]")):
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    yield from (entry for entry in entries if entry.is_file())

    def landing(self) -> Path:
        """A new, empty name outside the practices' folders, where nothing is read from."""
        folder = self.root / LANDING
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / str(uuid4())

    def made(self, practice_id: UUID, version: str) -> Path:
        """The version's place, whose folders are there and on the disk."""
        place = self.place(practice_id, version)
        if not place.parent.is_dir():
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_folder(place.parent.parent)
            sync_folder(self.root)
        return place


class DiskDraft:
    """A Draft: a file among the landings, and then, by a rename, on the shelf."""

    def __init__(self, shelf: DiskShelf, practice_id: UUID, version: str) -> None:
        self._shelf, self._practice_id, self._version = shelf, practice_id, version
        self._path = shelf.landing()
        self._file: BinaryIO | None = None

    def write(self, piece: bytes | bytearray) -> None:
        if self._file is None:
            self._file = open(self._path, "xb", buffering=0, opener=_private)  # noqa: SIM115
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]

    def publish(self) -> None:
        """Synced first: it was not there, and then is, whole."""
        self.write(b"")
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        place = self._shelf.made(self._practice_id, self._version)
        self._path.rename(place)
        sync_folder(place.parent)

    def abandon(self) -> None:
        if self._file is not None:
            self._file.close()
        with suppress(FileNotFoundError):
            self._path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
