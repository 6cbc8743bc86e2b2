"""What is looked at when a room is asked how it is, and what is said of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

State = Literal["good", "warning", "bad"]
Whose = Literal["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """One record as it is published; `name` is whole, without the dot at its end."""

    type: str
    name: str
    value: str
    priority: int | None = None

    def __str__(self) -> str:
        priority = "" if self.priority is None else f"{self.priority} "
        return f"{self.name} {self.type} {priority}{self.value}"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What the DNS says of a name and a type: its records, or why there are none.

    `empty` is a name without this type; `failed` is a server that could not answer. An MX's
    value begins with its priority.
    """

    state: Literal["found", "empty", "no_name", "failed", "timeout"]
    values: tuple[str, ...] = ()


# look_up(name, type); never raises for what the DNS says or leaves unsaid
LookUp: TypeAlias = Callable[[str, str], Awaitable[DnsAnswer]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `whose` is set when something is wrong and it is known whose.

    `cure` is what a person does; `publish` the very records to publish, where those are the cure.
    """

    check: str
    state: State
    text: str
    whose: Whose | None = None
    cure: str | None = None
    publish: tuple[DnsRecord, ...] = ()
