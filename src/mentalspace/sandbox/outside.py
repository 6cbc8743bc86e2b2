"""What a provider has outside its own interface: its status page, and the DNS of its customers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mentalspace.emulator.dns import DNS_PRESETS, Silence
from mentalspace.emulator.role import Publisher
from mentalspace.emulator.status_page import DESCRIPTIONS, Indicator
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox.world import DNS, World


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DnsBreakIn(_Strict):
    domain: str
    preset: str = Field(description="One of the presets that `GET /dns` lists")


class DnsRecordsIn(_Strict):
    name: str = Field(min_length=1, description="Whole, without the dot at its end")
    type: str = Field(min_length=1)
    values: list[str] = Field(description="An MX's begins with its priority; empty: no records")


class DnsSilenceIn(_Strict):
    name: str = Field(min_length=1, description="It and every name under it")
    how: Silence


class StatusIn(_Strict):
    indicator: Indicator
    description: str | None = Field(None, max_length=200, description="Its usual words if null")


def status_routes(world: World) -> list[Route]:
    """Each provider's status page, at `/status/ROOM/PROVIDER`, as its public reads it."""

    async def read(request: Request) -> Response:
        room, provider = request.path_params["room"], request.path_params["provider"]
        titles = {(e.room, e.provider): e.title for e in world.roles}
        if (room, provider) not in titles:
            raise HTTPException(404, "No such provider is played here.")
        url = str(request.base_url)
        title = titles[room, provider]
        return JSONResponse(world.status_pages.document(room, provider, title, url))

    return [Route("/status/{room}/{provider}/api/v2/status.json", read)]


def add_outside(app: FastAPI, world: World) -> None:
    """The control API's part of it."""

    @app.get("/dns", summary="The name server: its address, records, and what is changed")
    async def get_dns() -> dict[str, Any]:
        return {
            "address": world.addresses.get(DNS),
            "domains": world.names.domains,
            "records": [asdict(record) for record in world.names.records()],
            "changed": world.names.broken,
            "presets": [
                {"name": p.name, "title": p.title, "explanation": p.explanation}
                for p in DNS_PRESETS.values()
            ],
        }

    @app.post("/dns/break", status_code=201, summary="Break a domain's records")
    async def break_dns(body: DnsBreakIn) -> dict[str, Any]:
        world.names.break_it(body.domain, body.preset)
        return await _changed(world)

    @app.put("/dns/records", summary="Publish these values instead of what is there")
    async def put_records(body: DnsRecordsIn) -> dict[str, Any]:
        world.names.put(body.name, body.type, body.values)
        return await _changed(world)

    @app.put("/dns/silence", summary="A name that is gone, fails, or gets no answer")
    async def put_silence(body: DnsSilenceIn) -> dict[str, Any]:
        world.names.silence(body.name, body.how)
        return await _changed(world)

    @app.delete("/dns", summary="Everything as published again")
    async def heal_dns() -> dict[str, Any]:
        world.names.heal()
        return await _changed(world)

    @app.put("/status-pages/{room}/{provider}", summary="What a provider's status page says")
    async def put_status(room: str, provider: str, body: StatusIn) -> dict[str, Any]:
        if not world.has(room, provider):
            raise Refused("unknown_provider", f"{room}/{provider} is not played here")
        said = world.status_pages.say(room, provider, body.indicator, body.description)
        await world.kit.journal.flush()
        return asdict(said)


def shown_outside(world: World, room: str) -> dict[str, Any]:
    """For a room's page: its providers' status pages, and the DNS if its customers publish."""
    roles = [role for role in world.roles if role.room == room]
    publishes = any(isinstance(role, Publisher) for role in roles)
    return {
        # A relay is the practice's own, and has no page for the public.
        "said": [
            (role, world.status_pages.says(room, role.provider))
            for role in world.emulators
            if role.room == room
        ],
        "indicators": DESCRIPTIONS,
        "domains": world.names.domains if publishes else [],
        "dns_broken": world.names.broken if publishes else [],
        "dns_presets": list(DNS_PRESETS.values()),
    }


def change_outside(world: World, room: str, form: dict[str, str]) -> None:
    """What a button of the room's page does. Raises Refused."""
    match form.get("do"):
        case "break_dns":
            world.names.break_it(form.get("domain", ""), form.get("preset", ""))
        case "heal_dns":
            world.names.heal()
        case "say":
            provider, indicator = form.get("provider", ""), form.get("indicator", "")
            if indicator not in DESCRIPTIONS or not world.has(room, provider):
                raise Refused("unknown_indicator", "pick what the status page says")
            world.status_pages.say(room, provider, indicator)  # type: ignore[arg-type]
        case _:
            raise Refused("unknown_action", "press one of the buttons")


async def _changed(world: World) -> dict[str, Any]:
    await world.kit.journal.flush()
    return {"changed": world.names.broken}
