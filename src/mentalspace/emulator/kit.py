"""The kit in one hand: everything an emulator needs, sharing one journal and one clock."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mentalspace.emulator.accounts import Accounts
from mentalspace.emulator.clock import VirtualClock
from mentalspace.emulator.faults import Faults
from mentalspace.emulator.hooks import Hooks
from mentalspace.emulator.journal import Journal
from mentalspace.emulator.keys import Keys
from mentalspace.emulator.options import Options
from mentalspace.emulator.outbox import Outbox, summarise
from mentalspace.emulator.recorder import Recorder
from mentalspace.emulator.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Kit:
    """Emulators are built on it first, then `journal.load()` brings the past back. In `directory`
    an emulator may have a folder of its own, for what is too large for the journal."""

    directory: Path
    journal: Journal
    clock: VirtualClock
    accounts: Accounts
    faults: Faults
    recorder: Recorder
    outbox: Outbox
    keys: Keys
    hooks: Hooks
    options: Options
    shelf: Shelf
    seed: int
    random: random.Random

    def summary(self) -> dict[str, dict[str, Any]]:
        """Per account id, what `summarise` counts."""
        return summarise(self.outbox.items(), self.recorder.replays())


def open_kit(state_dir: Path, *, seed: int, allow_remote_hooks: bool = False) -> Kit:
    """A kit over `state_dir`, which it alone may hold. Its journal is still to be loaded."""
    journal = Journal(state_dir)
    clock = VirtualClock(journal)
    accounts = Accounts(journal, allow_remote_hooks=allow_remote_hooks)
    faults = Faults(journal, seed)
    return Kit(
        directory=state_dir,
        journal=journal,
        clock=clock,
        accounts=accounts,
        faults=faults,
        recorder=Recorder(journal),
        outbox=Outbox(journal),
        keys=Keys(journal, clock),
        hooks=Hooks(journal, clock, accounts, faults),
        options=Options(journal),
        shelf=Shelf(journal),
        seed=seed,
        random=random.Random(seed),
    )
