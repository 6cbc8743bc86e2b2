"""The catalogue of the exercise: each fault says what is true of it, and leaves nothing behind."""

# ruff: noqa: ARG002
from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.exercise.catalogue import FAULTS, LAKESIDE, find
from tests.exercise.fault import Fault

_HELD_BY = {"email": "resend", "sms": "twilio", "storage": "supabase"}


@dataclass(slots=True)
class Session:
    """A connection, and whether it has been given back."""

    closed: bool = False

    async def execute(self, sql: str) -> None:
        assert not self.closed

    async def close(self, timeout: float) -> None:
        self.closed = True


@dataclass(slots=True)
class ModelHouse:
    """Keeps what a fault does to it, as a sandbox and a database would."""

    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    addresses: dict[tuple[str, str], str | None] = field(default_factory=dict)
    kills: int = 0
    laid: int = 0

    async def sandbox(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if (method, path) == ("GET", "/accounts"):
            return list(self.accounts.values())
        self.laid += 1
        if path == "/faults":
            assert body is not None
            self.faults[name := f"flt_{self.laid}"] = body
            return {"id": name}
        if path.startswith("/faults/"):
            return self.faults.pop(path.removeprefix("/faults/"))
        _, _, room, provider, account, *more = path.split("/")
        assert _HELD_BY[room] == provider
        known = self.accounts[account]
        match method, more, body:
            case "PATCH", [], dict():
                known.update(body)
            case "POST", ["consume"], dict():
                known["consumed_per_s"] = body["per_s"]
            case "POST", ["keys"], dict():
                known["keys"].append(body["api_key"])
            case "DELETE", ["keys", key], None:
                known["keys"].remove(key)
            case _:
                raise AssertionError(f"the controls know no {method} {path}")
        return known

    async def account(self, room: str, practice: str) -> str:
        await self._register(room, practice)
        return f"/accounts/{room}/{_HELD_BY[room]}/{room}-{practice}"

    async def customer(self, room: str, practice: str) -> str:
        return f"key-{room}-{practice}"

    async def register(self, room: str, practice: str) -> None:
        self.accounts.pop(f"{room}-{practice}", None)
        await self._register(room, practice)

    async def _register(self, room: str, practice: str) -> None:
        self.accounts.setdefault(
            f"{room}-{practice}",
            {
                "id": f"{room}-{practice}",
                "keys": [f"key-{room}-{practice}"],
                "webhook_url": f"http://127.0.0.1:1/v1/hooks/{room}/{practice}",
                "webhook_secret": "ours",
                "consumed_per_s": 0,
                "options": {},
            },
        )

    async def command(self, *words: str) -> None:
        self.commands.append(words)

    async def enter_credential(self, room: str, practice: str, base_url: str | None = None) -> None:
        self.addresses[room, practice] = base_url

    async def kill_worker(self) -> None:
        self.kills += 1

    async def session(self, program: str, *, ours: bool = False) -> Session:
        self.sessions.append(opened := Session())
        return opened

    def broken(self) -> list[object]:
        """Whatever is not as it should be."""
        accounts = [
            account
            for account in self.accounts.values()
            if account["keys"] != [f"key-{account['id']}"]
            or account["options"]
            or account["consumed_per_s"]
            or account["webhook_secret"] != "ours"
            or not account["webhook_url"].endswith("/" + account["id"].replace("-", "/"))
        ]
        return [
            *self.faults,
            *accounts,
            *(one for one in self.sessions if not one.closed),
            *(where for where, url in self.addresses.items() if url is not None),
            *_not_undone(self.commands),
        ]


def _not_undone(commands: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Commands without the one that takes them back."""
    undone = []
    for words in commands:
        match words:
            case ("lane", "pause", where, *_):
                back: tuple[str, ...] = ("lane", "open", where)
            case ("credential", "test-mode", *_) if words[-1] != "--off":
                back = (*words, "--off")
            case _:
                continue
        if back not in commands:
            undone.append(words)
    return undone


def test_there_is_enough_to_draw_from() -> None:
    """At least fourteen faults, of every kind, each under a name of its own."""
    assert len(FAULTS) >= 14
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({fault.truth.cause for fault in FAULTS}) == len(FAULTS)
    for whose in ("theirs", "ours", "several"):
        assert sum(fault.whose == whose for fault in FAULTS) >= 3


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_truth_is_whole(fault: Fault) -> None:
    """Cause, who is touched, the safe action and what heals it are each a sentence of words."""
    truth = fault.truth
    for said in (truth.cause, truth.touched, truth.action, fault.healing):
        assert len(said.split()) >= 4
        assert said == said.strip()
        assert not said.endswith(".")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_what_is_laid_is_lifted(fault: Fault) -> None:
    """While it lasts something is broken; afterwards nothing is, though somebody broke off."""
    house = ModelHouse()
    with pytest.raises(asyncio.CancelledError):
        async with fault.laid(house):
            await asyncio.sleep(0)
            assert house.broken() or house.kills
            raise asyncio.CancelledError
    assert house.broken() == []
    killed = house.kills
    await asyncio.sleep(0)
    assert house.kills == killed


def test_a_fault_is_found_by_name_and_by_number() -> None:
    """Whoever directs names it either way, and is told what there is."""
    assert find("worker_killed") is find(str([f.name for f in FAULTS].index("worker_killed") + 1))
    with pytest.raises(LookupError, match="worker_killed"):
        find("0")


async def test_an_account_keeps_its_other_options() -> None:
    """What a provider changes of an account is added to what it has of it already."""
    house = ModelHouse()
    await house.account("email", LAKESIDE)
    house.accounts[f"email-{LAKESIDE}"]["options"] = {"fates": {"k*": "bounced"}}
    async with find("quota_of_one").laid(house):
        options = house.accounts[f"email-{LAKESIDE}"]["options"]
        assert options == {"fates": {"k*": "bounced"}, "quota_daily": 1}
