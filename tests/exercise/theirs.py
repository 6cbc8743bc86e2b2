"""Ways to break a provider through the sandboxes' controls, each healed when its block ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests.exercise.fault import House

Laid = Callable[[House], AbstractAsyncContextManager[None]]


def fault(room: str, provider: str, *, at: str | None = None, **fields: Any) -> Laid:
    """A fault of the sandbox, for every account or for that of the practice `at`."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        whose = {"account": _id(await house.account(room, at))} if at else {}
        body = {"room": room, "provider": provider, **fields, **whose}
        made = await house.sandbox("POST", "/faults", body)
        try:
            yield
        finally:
            await house.sandbox("DELETE", f"/faults/{made['id']}")

    return laid


def account(room: str, at: str, **changes: Any) -> Laid:
    """What a provider has written down of a practice's account, until we tell it anew."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        path = await house.account(room, at)
        if "options" in changes:
            own = {**(await _read(house, path))["options"], **changes["options"]}
            await house.sandbox("PATCH", path, {**changes, "options": own})
        else:
            await house.sandbox("PATCH", path, changes)
        try:
            yield
        finally:
            await house.register(room, at)

    return laid


def callbacks_to(room: str, at: str, path: str) -> Laid:
    """A practice's callbacks go to another path of ours, where nobody waits for them."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        ours = urlsplit((await _read(house, await house.account(room, at)))["webhook_url"])
        elsewhere = urlunsplit(ours._replace(path=path))
        async with account(room, at, webhook_url=elsewhere)(house):
            yield

    return laid


def entered_after(room: str, at: str, broken: Laid) -> Laid:
    """The same, and afterwards a person enters the practice's credential once more: lanes that
    wait for another one go on."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        try:
            async with broken(house):
                yield
        finally:
            await house.enter_credential(room, at)

    return laid


def consumed(room: str, at: str, per_s: int) -> Laid:
    """Another program uses up so much of what the practice's account may each second."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        path = f"{await house.account(room, at)}/consume"
        await house.sandbox("POST", path, {"per_s": per_s})
        try:
            yield
        finally:
            await house.sandbox("POST", path, {"per_s": 0})

    return laid


def revoked(room: str, at: str) -> Laid:
    """A practice's key is taken no longer; healed, it is taken again, and entered once more."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        path = await house.account(room, at)
        key = (await _read(house, path))["keys"][0]
        await house.sandbox("DELETE", f"{path}/keys/{key}")
        try:
            yield
        finally:
            body = {"api_key": await house.customer(room, at)}
            await house.sandbox("POST", f"{path}/keys", body)
            await house.enter_credential(room, at)

    return laid


def together(*each: Laid) -> Laid:
    """All of them at once, lifted in the opposite order."""

    @asynccontextmanager
    async def laid(house: House) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for one in each:
                await stack.enter_async_context(one(house))
            yield

    return laid


async def _read(house: House, path: str) -> Mapping[str, Any]:
    """The account as the controls show it: they list all."""
    accounts = await house.sandbox("GET", "/accounts")
    found: Mapping[str, Any] = next(one for one in accounts if one["id"] == _id(path))
    return found


def _id(path: str) -> str:
    return path.rpartition("/")[2]
