"""A drill's own corner of the system: a practice, a credential and a sandbox account for it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from mentalspace.drills.past import History, age, keep_open, stall, write_history
from mentalspace.emulator.accounts import account_id
from mentalspace.engine.agreement import NewAgreement, add_agreement
from mentalspace.engine.credentials import NewCredential, save_credential
from mentalspace.engine.db import connect_owner
from mentalspace.engine.runbook import Action, Drill
from mentalspace.engine.services import Services
from mentalspace.engine.suppression import suppress
from mentalspace.kernel.integration import Provider
from mentalspace.practice.tenancy import ensure_practice, sandbox_address
from mentalspace.workflows.demo import demo_secrets, system_claims
from mentalspace.workflows.drill_acts import DRILL_PRETENDS, DRILL_SENDS, DrillSend, send_samples
from mentalspace.workflows.sandbox_keeping import call_sandbox, register_account

PRACTICE = "drill"


@dataclass(slots=True)
class Stage:
    """Set up by `open_stage`; `accounts` are the sandbox's public ids of the drill's own keys,
    the first provider's first."""

    services: Services
    drill: Drill
    run_id: str
    provider: Provider
    practice_id: UUID
    endpoint: str
    secrets: Mapping[str, str]
    accounts: list[str]
    credential_id: UUID = field(init=False)  # known once `store` has run
    test_only: bool = False
    night_s: float | None = None  # how long what is sent stays useful, in a night that lasts longer
    demands_agreement: bool = False
    faults: list[str] = field(default_factory=list)
    healthy: Mapping[str, Any] | None = None  # the account's options before the drill's

    async def arrange(self, action: Action) -> None:
        """One line of `[[arrange]]`."""
        match action.do:
            case "fault":
                await self._fault(action.params)
            case "credential":
                await self.store({**self.secrets, **{k: str(v) for k, v in action.params.items()}})
            case "other_consumer":
                await self._consume(int(action.params["takes_per_s"]))
            case "unreachable":
                door = self.provider.sandbox_door
                scheme = door.scheme if door else "http"
                await self.store(self.secrets, f"{scheme}://127.0.0.1:{_closed_port()}")
            case "fallback":
                after_s = float(action.params.get("after_s", 60))
                await self._fall_back_on(str(action.params["provider"]), after_s)
            case "demand_agreement":
                self.demands_agreement = True
                await self._revoke_agreements()
                await self.store(self.secrets)
            case "fate":
                await self._change_options(
                    {
                        "fates": {str(action.params["of"]): str(action.params["is"])},
                        "delay_s": float(action.params.get("after_s", 0.5)),
                    }
                )
            case "options":
                self.healthy = await self._options()
                await self._change_options(action.params)
            case "suppress":
                await self._suppress(str(action.params.get("reason", "drill")))
            case "night":
                self.night_s = float(action.params["useful_for_s"])
            case "history":
                await write_history(self.services, self.credential_id, History.of(action.params))
            case "always_open":
                await keep_open(self.services, self.practice_id)
            case "stall":
                await stall(self.services, self.credential_id, float(action.params["for_s"]))
            case "pretend":
                pretend = DRILL_PRETENDS[self.drill.room]
                await pretend(self.services, self.practice_id, self.run_id, action.params)
            case "test_mode":
                self.test_only = True
                await self.store(self.secrets)
            case _:
                raise LookupError(f"{self.drill.id}: cannot arrange {action.do!r}")

    async def act(self, action: Action) -> int:
        """One line of `[[act]]`; how many deliveries it made."""
        if action.do == "age":
            within_s = self.drill.timeout_s
            await age(self.services, self.credential_id, action.params, within_s)
            return 0
        count = int(action.params.get("count", 1))
        send = DrillSend(
            practice_id=self.practice_id,
            credential_id=self.credential_id,
            run_id=self.run_id,
            integration=self.drill.room,
            to=str(action.params["to"]),
            count=count,
            guard=bool(action.params.get("guard", True)),
            says=str(action.params["says"]) if "says" in action.params else None,
            night_s=self.night_s,
            lost=bool(action.params.get("lost", False)),
            sealed=bool(action.params.get("sealed", False)),
        )
        await DRILL_SENDS.get(self.drill.room, send_samples)(self.services, send)
        return count

    async def recover(self, word: str) -> None:
        """One word of `[recover]`."""
        match word:
            case "heal":
                await self._heal()
            case "rotate_credential":
                await self.store(self.secrets)
            case "retry_now":
                await self._retry_now()
            case "release":
                await self._release()
            case "let_time_pass":
                await self._let_time_pass()
            case "record_agreement":
                await self._record_agreement()
            case _:
                raise LookupError(f"{self.drill.id}: cannot recover by {word!r}")

    async def close(self) -> None:
        """Leave nothing behind that a later drill or a person could stumble over."""
        await self._heal()
        if self.demands_agreement:
            await self._revoke_agreements()
        await self.end()

    async def end(self) -> None:
        """Its credential, incidents, suppressions and messages are over. A worker may be at the
        same ones: whom the database gives up begins anew."""
        for left in (2, 1, 0):
            try:
                await self._end()
                break
            except asyncpg.DeadlockDetectedError:
                if not left:
                    raise

    async def _end(self) -> None:
        async with connect_owner(self.services.admin_url) as owner:
            await owner.execute(
                "update credential set active = false where drill = $1", self.run_id
            )
            await owner.execute(
                "update incident set status = 'resolved', resolved_at = app.now(),"
                " resolved_by = 'drill', next_escalation_at = null"
                " where drill = $1 and status <> 'resolved'",
                self.run_id,
            )
            await owner.execute(
                "update suppression set lifted_at = app.now(), lifted_by = 'drill'"
                " where drill = $1 and lifted_at is null",
                self.run_id,
            )
            await owner.execute(
                "update delivery set status = 'cancelled' where drill = $1"
                " and status in ('pending', 'due', 'held')",
                self.run_id,
            )

    async def _suppress(self, reason: str) -> None:
        """As an earlier bounce of the first act's recipient would have left it."""
        to = str(self.drill.act[0].params["to"]).format(n=1)
        async with self.services.database.as_worker(self.practice_id) as connection:
            await suppress(
                connection,
                self.practice_id,
                self.drill.room,
                self.services.vault.recipient_key(self.practice_id, to),
                reason=reason,
                drill=self.run_id,
            )

    async def _fault(self, params: Mapping[str, Any]) -> None:
        body = {
            **params,
            "room": self.drill.room,
            "provider": self.provider.name,
            "account": self.accounts[0],
        }
        fault = await call_sandbox(self.services, "POST", "/faults", body)
        self.faults.append(fault["id"])

    async def _options(self) -> Mapping[str, Any]:
        accounts = await call_sandbox(self.services, "GET", "/accounts")
        [mine] = [a for a in accounts if a["id"] == self.accounts[0]]
        options: Mapping[str, Any] = mine["options"]
        return options

    async def _change_options(self, changes: Mapping[str, Any]) -> None:
        await self._put_options({**await self._options(), **changes})

    async def _put_options(self, options: Mapping[str, Any]) -> None:
        path = f"/accounts/{self.drill.room}/{self.provider.name}/{self.accounts[0]}"
        await call_sandbox(self.services, "PATCH", path, {"options": options})

    async def _consume(self, per_s: int) -> None:
        path = f"/accounts/{self.drill.room}/{self.provider.name}/{self.accounts[0]}/consume"
        await call_sandbox(self.services, "POST", path, {"per_s": per_s})

    async def _heal(self) -> None:
        for fault in self.faults:
            await call_sandbox(self.services, "DELETE", f"/faults/{fault}")
        self.faults.clear()
        await self._consume(0)
        if self.healthy is not None:
            await self._put_options(self.healthy)
            self.healthy = None
        if any(action.do == "unreachable" for action in self.drill.arrange):
            await self.store(self.secrets)

    async def store(self, secrets: Mapping[str, str], base_url: str | None = None) -> None:
        """Store the drill's credential, or another in its place, as an administrator would."""
        sandbox = sandbox_address(self.drill.room, self.provider, self.services.settings)
        new = NewCredential(
            practice_id=self.practice_id,
            integration=self.drill.room,
            endpoint=self.endpoint,
            base_url=base_url or sandbox,
            live=False,
            secrets=secrets,
            drill=self.run_id,
            test_only=self.test_only,
            demands_agreement=self.demands_agreement,
        )
        async with connect_owner(self.services.admin_url) as owner, owner.transaction():
            self.credential_id = await save_credential(
                owner, self.services.vault, self.provider, new
            )

    async def _fall_back_on(self, name: str, after_s: float) -> None:
        """A second credential of the practice, at another provider of the room."""
        provider = self.services.rooms[self.drill.room].provider(name)
        endpoint = f"{self.endpoint}-{name}"
        secrets = demo_secrets(provider.credential_fields, endpoint)
        new = NewCredential(
            practice_id=self.practice_id,
            integration=self.drill.room,
            endpoint=endpoint,
            base_url=sandbox_address(self.drill.room, provider, self.services.settings),
            live=False,
            secrets=secrets,
            drill=self.run_id,
            rank=2,
        )
        async with connect_owner(self.services.admin_url) as owner, owner.transaction():
            await save_credential(owner, self.services.vault, provider, new)
            await owner.execute(
                "update credential set fail_over_after_s = $2 where id = $1",
                self.credential_id,
                after_s,
            )
        account = await register_account(
            self.services, self.drill.room, provider, endpoint, secrets
        )
        self.accounts.append(account)

    async def _retry_now(self) -> None:
        """What waits goes now, and an open breaker may probe now."""
        async with connect_owner(self.services.admin_url) as owner:
            await owner.execute(
                "update credential_state set open_until = clock_timestamp()"
                " where credential_id = $1 and breaker = 'open'",
                self.credential_id,
            )
            await owner.execute(
                "update delivery set next_attempt_at = app.now()"
                " where drill = $1 and status in ('pending', 'unknown')",
                self.run_id,
            )

    async def _let_time_pass(self) -> None:
        """As if what was tried had been tried ten minutes earlier."""
        async with connect_owner(self.services.admin_url) as owner:
            for table, since in (("delivery", "first_attempt_at"), ("attempt", "started_at")):
                await owner.execute(
                    f"update {table} set {since} = {since} - interval '10 minutes'"
                    " where drill = $1",
                    self.run_id,
                )

    async def _record_agreement(self) -> None:
        """As the practice's administrator does, through the same policies."""
        claims = system_claims(self.practice_id)
        async with self.services.database.as_user(claims) as connection:
            new = NewAgreement(
                practice_id=self.practice_id,
                vendor=self.provider.name,
                signed_on=self.services.clock.now().date(),
                expires_on=None,
                reference="",
                drill=self.run_id,
            )
            await add_agreement(connection, new, "drill")

    async def _revoke_agreements(self) -> None:
        """The drills' practice has none, whatever a run that was cut off left behind."""
        async with connect_owner(self.services.admin_url) as owner:
            await owner.execute(
                "update vendor_agreement set revoked_at = app.now(), revoked_by = 'drill'"
                " where practice_id = $1 and vendor = $2 and revoked_at is null",
                self.practice_id,
                self.provider.name,
            )

    async def _release(self) -> None:
        """As a person decides for a held delivery: try again."""
        async with connect_owner(self.services.admin_url) as owner:
            await owner.execute(
                "update delivery set status = 'pending', held_reason = null, starts = 0,"
                " next_attempt_at = app.now() where drill = $1 and status = 'held'",
                self.run_id,
            )


async def open_stage(services: Services, drill: Drill, run_id: str) -> Stage:
    """A practice for drills, and a credential and a sandbox account for this run alone."""
    room = services.rooms[drill.room]
    provider = room.provider(drill.provider) if drill.provider else room.providers[0]
    endpoint = f"drill-{run_id}"
    async with connect_owner(services.admin_url) as owner:
        practice_id = await ensure_practice(
            owner, PRACTICE, name="Drills", timezone="UTC", is_drill=True
        )
    secrets = demo_secrets(provider.credential_fields, endpoint)
    stage = Stage(
        services=services,
        drill=drill,
        run_id=run_id,
        provider=provider,
        practice_id=practice_id,
        endpoint=endpoint,
        secrets=secrets,
        accounts=[account_id(drill.room, provider.name, provider.customer(secrets))],
    )
    try:
        await stage.store(secrets)
        await register_account(services, drill.room, provider, endpoint, secrets)
    except BaseException:  # cut off in between, too: whoever asked has nothing to close
        await stage.end()
        raise
    return stage


def _closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
