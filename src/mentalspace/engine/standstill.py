"""Why a loop does not turn, in words that name nobody: what it raised, and what it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any

import asyncpg

from mentalspace.engine.db import CONNECTION_LOST
from mentalspace.kernel.errors import MentalSpaceError, ProviderError, Refused

OUTSIDE = "an answer from outside"
_OURS = "mentalspace."
# Whoever waits deeper than so many calls waits for them all the same.
_DEEPEST = 100
_WAITS: tuple[tuple[str, str], ...] = (
    ("asyncpg", "the database"),
    ("aiohttp", OUTSIDE),
    ("aiosmtplib", OUTSIDE),
    ("apprise", "a way to page"),
)


def in_words(error: BaseException) -> str:
    """Its class and what that means. What it says itself may quote anything, and stays away."""
    return f"{type(error).__name__}: {_meaning(error)}"


def _meaning(error: BaseException) -> str:
    match error:
        case asyncpg.QueryCanceledError():
            return "the database ended a question that took longer than it may"
        case asyncpg.InsufficientPrivilegeError():
            return "the database role may not do this; was the migration run?"
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError():
            return "the database has another shape than this version wants; was the migration run?"
        case asyncpg.LockNotAvailableError() | asyncpg.DeadlockDetectedError():
            return "somebody else held the lock in the database"
        case asyncpg.TooManyConnectionsError():
            return "the database takes no more connections"
        case asyncpg.PostgresError() if not isinstance(error, CONNECTION_LOST):
            return f"the database refused it ({error.sqlstate})"
        case TimeoutError():
            return "there was no answer in time"
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return "the database is away, or ended the connection"
        case ProviderError():
            return f"the other side answered {error.evidence.summary()}"
        case Refused():
            return f"refused by ourselves ({error.code})"
        case MentalSpaceError():
            return "refused by ourselves; the log has it"
        case OSError():
            return "a file or the network failed"
    return "an error in our own code; the log has it"


def where(task: asyncio.Task[Any]) -> str | None:
    """`the database, in dispatch.find_due`; None for a task that waits for nothing."""
    frames = list(_frames(task.get_coro()))
    ours = [frame for frame in frames if _module(frame).startswith(_OURS)]
    # The innermost of ours that is more than the loop's own machinery and the pool.
    named = [
        f for f in ours if _module(f) not in (f"{_OURS}engine.process", f"{_OURS}engine.db.pool")
    ]
    place = (named or ours or frames)[-1:]
    if not place:
        return None
    step = f"{_module(place[0]).rpartition('.')[2]}.{place[0].f_code.co_name}"
    what = next(
        (said for frame in reversed(frames) for library, said in _WAITS
         if _module(frame).partition(".")[0] == library),
        None,
    )  # fmt: skip
    return f"{what}, in {step}" if what else f"something in {step}"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _frames(awaited: Any) -> Iterator[FrameType]:
    """From the outermost call to the one that waits."""
    for _ in range(_DEEPEST):
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        if frame is None:
            return
        yield frame
        inner = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
        # A context manager that is being entered or left waits in its generator.
        manager = frame.f_locals.get("self")
        if getattr(inner, "cr_frame", None) is None and hasattr(manager, "gen"):
            inner = manager.gen
        awaited = inner
