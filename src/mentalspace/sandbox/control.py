"""The control API: clock, faults, accounts and options in; what happened out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault, FaultKind
from mentalspace.emulator.hook import Hook
from mentalspace.emulator.outbox import Accepted
from mentalspace.kernel.errors import Refused
from mentalspace.sandbox.outside import add_outside
from mentalspace.sandbox.presets import presets_of
from mentalspace.sandbox.world import World

Room = Annotated[str, Path(description="A room, such as `email`")]
Provider = Annotated[str, Path(description="A provider of it, such as `resend`")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClockIn(Strict):
    offset_s: float = Field(description="Seconds ahead of real time")


class FaultIn(Strict):
    room: str
    provider: str
    kind: FaultKind = Field(
        description="Of calls: `status`; `latency`, an answer `latency_s` late; `drip`, a body "
        "that trickles in over `latency_s`; `hang`; `reset`; `truncate`, less than the headers "
        "promise; `malformed`. Of webhooks: `hook_duplicate`, the same again `latency_s` later; "
        "`hook_reorder`, the last event first; `hook_delay`, `latency_s` late; `hook_drop`, never "
        "sent; `hook_bad_signature`, at every try. Of what was accepted: `fate`, named by `name` "
        "in the provider's words, where its sandbox knows fates by fault"
    )
    when: Literal["before", "after"] = Field(
        "before", description="`after`: the request is accepted, then the answer goes wrong"
    )
    account: str | None = Field(None, description="Account id; all accounts if null")
    method: str | None = None
    path: str | None = Field(None, description="Paths that begin so; all if null")
    event: str | None = Field(None, description="Webhooks whose event begins so; all if null")
    http: int = Field(503, ge=400, le=599, description="For `status`")
    name: str | None = Field(
        None,
        description="The provider's error name, which brings its own status unless "
        "`http` is given as well; the status's usual one if null",
    )
    message: str | None = None
    retry_after_s: int | None = Field(None, ge=0)
    latency_s: float = Field(5.0, ge=0, le=3600)
    times: int | None = Field(None, ge=1, description="How many meet it; all if null")
    share: float = Field(1.0, gt=0, le=1, description="Part of them that meet it, by seeded chance")


class BreakIn(Strict):
    preset: str = Field("down", description="One of those that `/presets` lists")
    account: str | None = None
    times: int | None = Field(None, ge=1)
    latency_s: float | None = Field(None, ge=0, le=3600)
    http: int | None = Field(None, ge=400, le=599)
    name: str | None = None
    message: str | None = None


class AccountIn(Strict):
    api_key: str = Field(min_length=1)
    webhook_url: str | None = None
    webhook_secret: str | None = None
    rate_per_s: int | None = Field(None, ge=1, description="The provider's usual limit if null")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="The provider's options, for this account alone; Resend: `domains` (list) too",
    )
    profile: dict[str, Any] = Field(
        default_factory=dict,
        description="What the provider knows of the account; Twilio: `account_sid`, "
        "`phone_number`, `messaging_service_sid`, and `test` for test credentials",
    )


class AccountChange(Strict):
    webhook_url: str | None = None
    webhook_secret: str | None = None
    rate_per_s: int | None = Field(None, ge=1)
    options: dict[str, Any] | None = None


class TextIn(Strict):
    sender: str = Field(alias="from", description="The person's telephone number, E.164")
    to: str = Field(description="The number that is texted, E.164")
    body: str = Field(min_length=1, max_length=1600)
    account: str | None = Field(
        None, description="Account id; of those that have the number the newest if null"
    )


class KeyIn(Strict):
    api_key: str = Field(min_length=1)


class ConsumeIn(Strict):
    per_s: int = Field(ge=0, description="What another consumer takes of each second; 0 ends it")


def create_control(world: World) -> FastAPI:
    """The API, to be mounted at `/_control`."""
    kit = world.kit
    app = FastAPI(
        title="Sandbox control",
        version="1",
        description="Controls of the sandboxes, which play every provider on this machine.",
        docs_url=None,
        redoc_url=None,
    )
    _explain_errors(app)

    @app.get("/healthz", summary="Ready to play")
    async def healthz() -> dict[str, Any]:
        return {"ready": True, "rooms": world.rooms}

    @app.get("/providers", summary="Who is played here, and where")
    async def providers() -> list[dict[str, Any]]:
        return [
            {
                "room": e.room,
                "provider": e.provider,
                "title": e.title,
                "address": world.address(e),
                "options": kit.options.get(e.room, e.provider),
            }
            for e in world.roles
        ]

    @app.get("/clock", summary="The sandbox's time")
    async def get_clock() -> dict[str, Any]:
        return {"offset_s": kit.clock.offset.total_seconds(), "now": kit.clock.now().isoformat()}

    @app.put("/clock", summary="Set how far the sandbox is ahead of real time")
    async def put_clock(body: ClockIn) -> dict[str, Any]:
        kit.clock.move(body.offset_s)
        await kit.journal.flush()
        return await get_clock()

    @app.get("/faults", summary="Faults in force")
    async def get_faults() -> list[dict[str, Any]]:
        return [_fault(world, fault) for fault in kit.faults.all()]

    @app.post("/faults", status_code=201, summary="Put a fault in force")
    async def post_fault(body: FaultIn) -> dict[str, Any]:
        if not world.has(body.room, body.provider):
            raise Refused("unknown_provider", f"{body.room}/{body.provider} is not played here")
        fault = kit.faults.add(**body.model_dump())
        await kit.journal.flush()
        return _fault(world, fault)

    @app.delete("/faults", summary="Lift all faults, or a room's, or a provider's")
    async def delete_faults(room: str | None = None, provider: str | None = None) -> dict[str, int]:
        lifted = kit.faults.heal(room, provider)
        await kit.journal.flush()
        return {"lifted": lifted}

    @app.delete("/faults/{fault_id}", summary="Lift one fault; gone already is fine")
    async def delete_fault(fault_id: str) -> dict[str, int]:
        lifted = kit.faults.remove(fault_id)
        await kit.journal.flush()
        return {"lifted": int(lifted)}

    @app.get("/presets", summary="Ways to break any provider; with a room, its own as well")
    async def presets(room: str | None = None) -> list[dict[str, Any]]:
        roles = [role for role in world.roles if role.room == room]
        return [{**asdict(p), "fault": dict(p.fault)} for p in presets_of(roles).values()]

    @app.post("/break/{room}/{provider}", status_code=201, summary="Break a provider")
    async def break_it(room: Room, provider: Provider, body: BreakIn) -> dict[str, Any]:
        changes = body.model_dump(exclude={"preset"}, exclude_none=True)
        fault = world.break_it(room, provider, body.preset, **changes)
        await kit.journal.flush()
        return _fault(world, fault)

    @app.get("/accounts", summary="The sandbox's customers, without their secrets")
    async def get_accounts() -> list[dict[str, Any]]:
        return [_account(account) for account in kit.accounts.all()]

    @app.put("/accounts/{room}/{provider}", summary="Create or replace the account of a key")
    async def put_account(room: Room, provider: Provider, body: AccountIn) -> dict[str, Any]:
        if not world.has(room, provider):
            raise Refused("unknown_provider", f"{room}/{provider} is not played here")
        account = kit.accounts.put(room, provider, **body.model_dump())
        await kit.journal.flush()
        return _account(account)

    @app.patch(
        "/accounts/{room}/{provider}/{account_id}", summary="Change some fields of an account"
    )
    async def patch_account(
        room: Room, provider: Provider, account_id: str, body: AccountChange
    ) -> dict[str, Any]:
        account = _find_account(world, room, provider, account_id)
        changes = body.model_dump(exclude_unset=True)
        if changes.get("options", {}) is None:
            changes["options"] = {}
        account = kit.accounts.change(account, **changes)
        await kit.journal.flush()
        return _account(account)

    @app.post(
        "/accounts/{room}/{provider}/{account_id}/consume",
        summary="Let another consumer use up part of the account's rate",
    )
    async def consume(
        room: Room, provider: Provider, account_id: str, body: ConsumeIn
    ) -> dict[str, Any]:
        account = _find_account(world, room, provider, account_id)
        account = kit.accounts.change(account, consumed_per_s=body.per_s)
        await kit.journal.flush()
        return _account(account)

    @app.post(
        "/accounts/{room}/{provider}/{account_id}/keys",
        status_code=201,
        summary="Let an account use one more key, as while keys are rotated",
    )
    async def add_key(
        room: Room, provider: Provider, account_id: str, body: KeyIn
    ) -> dict[str, Any]:
        account = _find_account(world, room, provider, account_id)
        if kit.accounts.by_key(room, provider, body.api_key) is not None:
            raise Refused("key_in_use", "api_key: an account uses this key already")
        account = kit.accounts.add_key(account, body.api_key)
        await kit.journal.flush()
        return _account(account)

    @app.delete(
        "/accounts/{room}/{provider}/{account_id}/keys/{key_id}",
        summary="Accept a key of an account no longer; `key_id` is one of its `keys`",
    )
    async def revoke_key(
        room: Room, provider: Provider, account_id: str, key_id: str
    ) -> dict[str, Any]:
        account = _find_account(world, room, provider, account_id)
        digests = dict(zip(account.key_ids(), account.key_hashes, strict=True))
        if key_id not in digests:
            raise Refused("unknown_key", "the account uses no key of this id")
        account = kit.accounts.revoke_key(account, digests[key_id])
        await kit.journal.flush()
        return _account(account)

    @app.post(
        "/texts/{room}/{provider}", status_code=201, summary="Text one of a provider's numbers"
    )
    async def post_text(room: Room, provider: Provider, body: TextIn) -> dict[str, str]:
        phones = world.phones(room, provider)
        if phones is None:
            raise Refused("no_phones", f"nobody can text {room}/{provider}")
        account = body.account and _find_account(world, room, provider, body.account)
        text_id = phones.text(account or None, body.sender, body.to, body.body)
        await kit.journal.flush()
        return {"id": text_id}

    @app.get("/options/{room}/{provider}", summary="What may be changed of a provider's behaviour")
    async def get_options(room: Room, provider: Provider) -> dict[str, Any]:
        return kit.options.get(room, provider)

    @app.put("/options/{room}/{provider}", summary="Change some of it")
    async def put_options(room: Room, provider: Provider, body: dict[str, Any]) -> dict[str, Any]:
        kit.options.put(room, provider, body)
        await kit.journal.flush()
        return kit.options.get(room, provider)

    @app.get("/recorder", summary="Requests received, oldest first, without bodies")
    async def recorder(
        room: str | None = None,
        provider: str | None = None,
        account: str | None = None,
        since: Annotated[
            int | datetime | None, Query(description="A `number` to go on after, or an instant")
        ] = None,
    ) -> list[dict[str, Any]]:
        entries = kit.recorder.entries(room=room, provider=provider, account=account, since=since)
        return [asdict(entry) for entry in entries]

    @app.get("/summary", summary="Per account: accepted, repeated, accepted twice")
    async def summary() -> dict[str, dict[str, Any]]:
        return kit.summary()

    @app.get("/mailbox", summary="What was accepted, newest first, with its content")
    async def mailbox(
        account: str | None = None,
        room: str | None = None,
        to: Annotated[str | None, Query(description="Part of a recipient's address")] = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 100,
    ) -> list[dict[str, Any]]:
        found = kit.outbox.items(room=room, account=account, to=to, limit=limit)
        return [_accepted(world, item) for item in found]

    @app.get("/webhooks", summary="Webhooks and how they fare, newest first, without bodies")
    async def webhooks(
        pending: bool = False,
        account: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 100,
    ) -> list[dict[str, Any]]:
        return [_hook(hook) for hook in kit.hooks.all(pending=pending, account=account)[:limit]]

    @app.post("/webhooks/{hook_id}/replay", summary="Send a webhook again, with the same id")
    async def replay(hook_id: str) -> dict[str, bool]:
        if not kit.hooks.again(hook_id):
            raise Refused("unknown_webhook", "there is no webhook of this id")
        await kit.journal.flush()
        return {"queued": True}

    add_outside(app, world)

    @app.get("/pages", summary="Pages received, newest first")
    async def pages(
        target: str | None = None, limit: Annotated[int, Query(ge=1, le=100_000)] = 100
    ) -> list[dict[str, Any]]:
        return [asdict(page) for page in world.pager.pages(target, limit)]

    @app.get("/alerts", summary="Alerts of PagerDuty, newest first")
    async def alerts(
        limit: Annotated[int, Query(ge=1, le=100_000)] = 100,
    ) -> list[dict[str, Any]]:
        return [asdict(alert) for alert in world.pagerduty.alerts(limit)]

    return app


def _find_account(world: World, room: str, provider: str, account_id: str) -> Account:
    account = world.kit.accounts.get(account_id)
    if account is None or (account.room, account.provider) != (room, provider):
        raise Refused("unknown_account", "there is no such account of this provider")
    return account


def _explain_errors(app: FastAPI) -> None:
    """Problem details, which never repeat what was sent: it may be a key."""

    @app.exception_handler(Refused)
    async def refused(_request: Request, error: Refused) -> JSONResponse:
        return _problem(error.code, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        mistakes = [
            f"{'.'.join(str(part) for part in e['loc'][1:]) or 'body'}: {e['msg']}"
            for e in error.errors()
        ]
        return _problem("invalid_request", "; ".join(mistakes))


def _problem(code: str, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "title": "Refused", "status": 422, "code": code}
    return JSONResponse({**body, "detail": detail}, 422, media_type="application/problem+json")


def _fault(world: World, fault: Fault) -> dict[str, Any]:
    return {**asdict(fault), "left": world.kit.faults.left(fault)}


def _account(account: Account) -> dict[str, Any]:
    hidden = ("key_hashes", "revoked", "webhook_secret")
    shown = {name: value for name, value in asdict(account).items() if name not in hidden}
    return {**shown, "keys": account.key_ids(), "revoked_keys": account.revoked_ids()}


def _hook(hook: Hook) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(hook).items() if name != "body"}
    return {**shown, "tries": len(hook.tries), "last_http": hook.last_http}


def _accepted(world: World, item: Accepted) -> dict[str, Any]:
    happened = item.so_far(world.kit.clock.now())
    return {
        **asdict(item),
        "steps": [asdict(step) for step in happened],
        "last_step": happened[-1].kind if happened else None,
    }
