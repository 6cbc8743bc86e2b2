"""What a fault of the exercise is: how it is laid, how it is lifted, and what is true of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Whose = Literal["theirs", "ours", "several"]


class House(Protocol):
    """What a fault may do to the installation it is laid in."""

    async def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call to the sandboxes' controls."""
        ...

    async def account(self, room: str, practice: str) -> str:
        """Where the controls have the practice's account with the room's first provider: a path."""
        ...

    async def customer(self, room: str, practice: str) -> str:
        """What that provider knows the practice by: a secret."""
        ...

    async def register(self, room: str, practice: str) -> None:
        """Tell that provider anew who the practice is, where to call back and by which secret."""
        ...

    async def command(self, *words: str) -> None:
        """One `mentalspace` command, as a colleague types it."""
        ...

    async def enter_credential(self, room: str, practice: str, base_url: str | None = None) -> None:
        """What the practice has of the room's first provider once more, as a person enters it:
        another `base_url`, or the sandbox's."""
        ...

    async def kill_worker(self) -> None:
        """SIGKILL, if one runs."""
        ...

    async def session(self, program: str, *, ours: bool = False) -> Any:
        """A connection of somebody else's program to the database, as its owner; `ours`: as the
        role that the installation itself has. Whoever opens it closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Truth:
    """What whoever is called should come to: why, who is touched, and the one safe action."""

    cause: str
    touched: str
    action: str


@dataclass(frozen=True, slots=True)
class Fault:
    """`laid` lasts as long as its block; leaving it lifts the fault, which `healing` says in words.

    `call_after_s` is how long it must last before anybody is called, whatever has opened by then.
    """

    name: str
    whose: Whose
    truth: Truth
    healing: str
    laid: Callable[[House], AbstractAsyncContextManager[None]]
    call_after_s: float = 0.0
