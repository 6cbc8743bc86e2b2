"""Entry point and composition root: settings become a database, a clock, rooms and doors."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from mentalspace.engine.kept_secret import kept_secret
from mentalspace.kernel.interpreter import keep_loopback_direct, keep_what_is_there
from mentalspace.kernel.settings import Settings, load_settings

if TYPE_CHECKING:
    from mentalspace.drills.run import DrillResult
    from mentalspace.engine.db import Database
    from mentalspace.engine.outbound import Client
    from mentalspace.engine.pager import Pager
    from mentalspace.engine.runbook import Runbooks
    from mentalspace.engine.secrets import Vault
    from mentalspace.engine.services import Services
    from mentalspace.engine.signing import SigningKey
    from mentalspace.engine.worker import Worker
    from mentalspace.kernel.integration import Integration
    from mentalspace.workflows.acting import Acting
    from mentalspace.workflows.chores import Chores
    from mentalspace.workflows.doctor import Report, Standing
    from mentalspace.workflows.readiness import Point

DATABASE = "mentalspace"
DEMO_PASSWORD = "demo-mentalspace"  # noqa: S105 (printed at start; production has no demo log-ins)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PreparedDatabase:
    """`admin_url` is the owner's; `login_url` the role's that owns nothing."""

    admin_url: str
    login_url: str


class MentalSpace:
    """One installation. Imports are inside the methods: a sandbox needs no database driver,
    and `mentalspace status` none of the web."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.settings: Settings = load_settings(environment)

    # What there is -----------------------------------------------------------------------------

    def rooms(self) -> Mapping[str, Integration]:
        from mentalspace.integrations import discover_rooms

        return discover_rooms()

    def runbooks(self) -> Runbooks:
        from mentalspace.engine.runbook import load_runbooks

        return load_runbooks(list(self.rooms().values()), self.settings.runbooks)

    def step_names(self) -> frozenset[str]:
        """The actions a runbook's steps may name."""
        return frozenset(self.acting().actions())

    @cached_property
    def demo_password(self) -> str:
        return self.settings.demo_password or DEMO_PASSWORD

    @cached_property
    def master_key(self) -> bytes:
        return self.settings.master_key or kept_secret(self.settings.home / "secrets/master.key")

    def vault(self) -> Vault:
        """Seals under today's master key, opens what the one before it sealed."""
        from mentalspace.engine.secrets import Vault

        before = self.settings.master_key_before
        return Vault(self.master_key, *([before] if before else []))

    def _signing_keys(self) -> list[SigningKey]:
        """Those of today's master key first; links signed under the one before still open."""
        from mentalspace.engine.signing import derive_keys

        masters = [self.master_key, self.settings.master_key_before]
        return [
            key
            for master in masters
            if master
            for key in derive_keys(master, self.settings.link_keys)
        ]

    @cached_property
    def jwt_secret(self) -> str:
        if self.settings.jwt_secret:
            return self.settings.jwt_secret
        return kept_secret(self.settings.home / "secrets/jwt.key").hex()

    @property
    def packages(self) -> tuple[str, ...]:
        """Where migrations may lie."""
        return ("mentalspace.practice", *(room.package for room in self.rooms().values()))

    # Getting ready -----------------------------------------------------------------------------

    def prepare(self, say: Say) -> PreparedDatabase:
        """The database up, migrated and seeded. Doing it again changes nothing."""
        return asyncio.run(self._prepare(self.admin_url(say), say))

    def admin_url(self, say: Say) -> str:
        """The owner's URL: DATABASE_URL, or the embedded server's once it answers."""
        if self.settings.database_url:
            return self.settings.database_url
        from mentalspace.engine import postgres
        from mentalspace.engine.db.address import ensure_database

        server = postgres.ensure_running(self.settings.home, say=say)
        return asyncio.run(ensure_database(server.url, DATABASE))

    async def _prepare(self, admin_url: str, say: Say) -> PreparedDatabase:
        from mentalspace.engine.db.address import login_url
        from mentalspace.engine.db.shape import is_current

        movable = not self.settings.is_production
        url = login_url(admin_url, self.master_key)
        await self._require_fitting_key(admin_url)
        if not await is_current(admin_url, url, self.packages, clock_movable=movable):
            from mentalspace.engine.db.migrate import migrate

            say("database: bringing its tables up to date")
            await migrate(
                admin_url,
                master_key=self.master_key,
                packages=self.packages,
                clock_movable=movable,
            )
        await self._put_in_place(admin_url)
        if self.settings.is_production:
            await _tell_what_waits(admin_url, say)
        return PreparedDatabase(admin_url, url)

    async def _require_fitting_key(self, admin_url: str) -> None:
        """Before anything is changed: a migration would lock out the hosts with the right key."""
        from mentalspace.engine.credentials import key_fits
        from mentalspace.engine.db import connect_owner
        from mentalspace.kernel.errors import SettingsError

        async with connect_owner(admin_url) as owner:
            if not await key_fits(owner, self.vault()):
                raise SettingsError(
                    ["MENTALSPACE_MASTER_KEY: another key sealed this database; give that one"]
                )

    async def _put_in_place(self, admin_url: str) -> None:
        from mentalspace.engine.db import connect_owner
        from mentalspace.practice.identity import end_demo_sessions
        from mentalspace.practice.tenancy import adopt_environment, ensure_practice
        from mentalspace.workflows.demo import seed_demo
        from mentalspace.workflows.demo_oncall import seed_oncall

        vault, rooms = self.vault(), self.rooms()
        async with connect_owner(admin_url) as owner, owner.transaction():
            if self.settings.is_production:
                await end_demo_sessions(owner)
            else:
                await seed_demo(owner, vault, rooms, self.settings, _make_user, self.demo_password)
                await seed_oncall(owner, vault, self.settings)
            default = await owner.fetchval("select id from practice where is_default")
            if default is None:
                default = await ensure_practice(
                    owner, "default", name="Default practice", timezone="UTC", is_default=True
                )
            await adopt_environment(owner, vault, rooms, self.settings, default)

    def stop_postgres(self) -> None:
        if self.settings.database_url is None:
            from mentalspace.engine import postgres

            postgres.stop(self.settings.home)

    def postgres_status(self) -> tuple[bool, int | None]:
        """Whether it answers, and the embedded server's pid."""
        if self.settings.database_url is not None:
            return asyncio.run(_answers(self.settings.database_url)), None
        from mentalspace.engine import postgres

        server = postgres.running(self.settings.home)
        return server is not None, server.pid if server else None

    # The processes -----------------------------------------------------------------------------

    def run_api(self) -> None:
        """The API and the console, until SIGTERM."""
        import uvicorn

        from mentalspace.engine.log import configure_logs
        from mentalspace.engine.queue import load_library

        configure_logs("api")
        load_library()
        config = uvicorn.Config(
            self._asgi,
            factory=True,
            host="127.0.0.1",
            port=self.settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[Any] | None = None) -> None:
                await super().startup(sockets)
                keep_what_is_there()

        Server(config).run()

    def _asgi(self) -> Any:
        """Services are opened with the application and closed with it."""
        from mentalspace.api import create_app
        from mentalspace.api.lazy_app import LazyApp
        from mentalspace.console import STREAMS, router
        from mentalspace.engine.trace.request import FLUSH_EVERY_S, RequestLog

        told = RequestLog()
        flush = {
            "requests": lambda s: (FLUSH_EVERY_S, lambda: told.flush(s.database)),
        }
        traced = self.settings.otlp is not None
        return LazyApp(
            partial(self.open_services, name="mentalspace api"),
            lambda services: create_app(
                services,
                routers=[
                    router(
                        services,
                        start_drill=self._drill_starter(services),
                        start_game_day=self._game_day_starter(services),
                        shown_password=None if self.settings.demo_password else DEMO_PASSWORD,
                    )
                ],
                streams=STREAMS,
                requests=told if traced else None,
            ),
            {"watch": self._watch, **(flush if traced else {})},
            (lambda services: told.flush(services.database)) if traced else None,
        )

    def run_worker(self) -> None:
        """Lanes, inboxes, dispatch, alerts and pages, until SIGTERM."""
        from mentalspace.engine.log import configure_logs
        from mentalspace.engine.queue import load_library

        configure_logs("worker")
        load_library()
        keep_loopback_direct(os.environ)
        asyncio.run(self._run_worker())

    async def _run_worker(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        opened = self.open_services(pool_size=20, name="mentalspace worker")
        async with opened as services, self._worker(services) as worker:
            keep_what_is_there()
            await worker.run(stop)

    @asynccontextmanager
    async def _worker(self, services: Services) -> AsyncIterator[Worker]:
        from random import Random

        from mentalspace.engine.adapters import Adapters
        from mentalspace.engine.alarm import Alarm
        from mentalspace.engine.alerts import Evaluator
        from mentalspace.engine.db import connect
        from mentalspace.engine.lane import LaneWorker
        from mentalspace.engine.outbound import open_client
        from mentalspace.engine.process import process_name
        from mentalspace.engine.silence import SilenceKeeper
        from mentalspace.engine.worker import Worker
        from mentalspace.workflows.chores import chores

        runbooks = services.runbooks
        async with (
            open_client(live=False) as sheltered,
            open_client(live=True) as live,
            connect(services.login_url, size=6, name="mentalspace worker") as loops,
            connect(services.login_url, size=1, name="mentalspace worker") as heart,
        ):
            clients = {False: sheltered, True: live}
            pager = self._pager(services, loops, clients[self.settings.is_production])
            adapters = Adapters(
                loops, services.vault, services.rooms, clients, self.settings.site_url
            )
            lanes = LaneWorker(
                database=services.database,
                vault=services.vault,
                rooms=services.rooms,
                cases=lambda room, provider: runbooks.room(room).cases_for(provider),
                clients=clients,
                actions=self.acting(services.vault).actions(),
                name=process_name("worker"),
                random=Random(),
                crowded=services.queue.is_crowded,
                site_url=self.settings.site_url,
            )
            yield Worker(
                database=loops,
                heart=heart,
                login_url=services.login_url,
                queue=services.queue,
                lanes=lanes,
                inbox=services.inbox,
                evaluator=Evaluator(loops, runbooks),
                pager=pager,
                alarm=Alarm(loops, pager, self.settings.heartbeat_url is not None),
                silence=SilenceKeeper(loops, adapters, services.inbox.reactor),
                clock=services.clock,
                chores={
                    **chores(services, adapters),
                    **self._dead_man(loops, clients[self.settings.is_production]),
                    **self._traces(loops, clients[self.settings.is_production]),
                },
            )

    def _dead_man(self, database: Database, client: Client) -> Chores:
        """The call to an outside service, where one is set."""
        from mentalspace.engine.watchman import PING_EVERY_S, DeadMan

        url = self.settings.heartbeat_url
        if url is None:
            return {}
        return {"dead_man": (PING_EVERY_S, DeadMan(database, client, url).tick)}

    def _traces(self, database: Database, client: Client) -> Chores:
        """Spans to a collector, where one is set."""
        from importlib.metadata import version

        from mentalspace.engine.process import process_name

        otlp = self.settings.otlp
        if otlp is None:
            return {}
        from mentalspace.engine.trace.export import EXPORT_EVERY_S, TraceExporter

        holder = process_name("traces")
        exporter = TraceExporter(database, client, otlp, holder, version("mentalspace"))
        return {"traces": (EXPORT_EVERY_S, exporter.tick)}

    def _watch(self, services: Services) -> tuple[float, Callable[[], Awaitable[object]]]:
        """From the API's process, which outlives the worker's; it pages if nobody else does."""
        from mentalspace.engine.watchman import LOOK_EVERY_S, Watchman

        async def send_pages() -> object:
            from mentalspace.engine.outbound import open_client

            async with open_client(live=self.settings.is_production) as client:
                return await self._pager(services, services.database, client).tick()

        watchman = Watchman(
            services.database,
            services.runbooks.escalation,
            send_pages,
            home=self.settings.home,
        )
        return LOOK_EVERY_S, watchman.tick

    def _pager(self, services: Services, database: Database, client: Client) -> Pager:
        from mentalspace.workflows.paging import pager_for

        return pager_for(services, database, client, self.page_urls())

    def run_sandbox(self, rooms: list[str] | None, port: int | None) -> None:
        """Every provider, played on one port; needs no database."""
        from mentalspace.engine.log import configure_logs
        from mentalspace.sandbox.app import run_sandbox

        configure_logs("sandbox")
        # A state directory has one holder: a sandbox of chosen rooms keeps its own.
        own = not rooms and port in (None, self.settings.sandbox_port)
        name = "sandbox" if own else f"sandbox-{port}"
        run_sandbox(
            rooms,
            port or self.settings.sandbox_port,
            self.settings.home / name,
            site_url=self.settings.site_url,
        )

    # What the doors are handed -------------------------------------------------------------------

    @asynccontextmanager
    async def open_services(
        self, pool_size: int = 10, name: str = "mentalspace"
    ) -> AsyncIterator[Services]:
        from mentalspace.engine.db import connect
        from mentalspace.engine.db.address import login_url
        from mentalspace.engine.db.shape import shape_of
        from mentalspace.engine.inbox import Inbox
        from mentalspace.engine.process import follow_clock
        from mentalspace.engine.queue import Queue
        from mentalspace.engine.reseal import with_kept_recipients
        from mentalspace.engine.services import Services
        from mentalspace.engine.signing import Signer
        from mentalspace.kernel.clock import OffsetClock

        admin_url = await asyncio.to_thread(self._known_admin_url)
        url = login_url(admin_url, self.master_key)
        rooms, runbooks, clock, queue = self.rooms(), self.runbooks(), OffsetClock(), Queue(url)
        async with connect(url, size=pool_size, name=name) as database:
            await follow_clock(database, clock)
            vault = await with_kept_recipients(database, self.vault())
            rooms = {
                name: room.opened(self.settings, database, vault) if room.opened else room
                for name, room in rooms.items()
            }
            acting = self.acting(vault)
            try:
                yield Services(
                    settings=self.settings,
                    database=database,
                    vault=vault,
                    signer=Signer(self._signing_keys()),
                    queue=queue,
                    rooms=rooms,
                    runbooks=runbooks,
                    clock=clock,
                    inbox=Inbox(
                        database,
                        vault,
                        rooms,
                        clock,
                        acting.reactor(runbooks),
                        acting.conversation(),
                        self.settings.site_url,
                    ),
                    shape=shape_of(self.packages),
                    admin_url=admin_url,
                    login_url=url,
                    jwt_secret=self.jwt_secret,
                    jwt_secret_before=self.settings.jwt_secret_before,
                )
            finally:
                await queue.close()

    def _known_admin_url(self) -> str:
        """Of a system that is up already. Raises NotUp."""
        from mentalspace.kernel.errors import NotUp

        if self.settings.database_url:
            return self.settings.database_url
        from mentalspace.engine import postgres
        from mentalspace.engine.db.address import with_database

        server = postgres.running(self.settings.home)
        if server is None:
            raise NotUp("MentalSpace is not up here; start it with `make run` or `mentalspace up`")
        return with_database(server.url, DATABASE)

    def page_urls(self) -> dict[str, tuple[str, ...]]:
        """Whom pages reach: as set; in a demo, the sandbox's pager for whoever is not."""
        given = dict(self.settings.page_urls)
        if not self.settings.is_production:
            pager = f"json://127.0.0.1:{self.settings.sandbox_port}/pager"
            given = {target: urls or (f"{pager}/{target}",) for target, urls in given.items()}
        return given

    async def run_drills(
        self, services: Services, selection: list[str], say: Say
    ) -> list[DrillResult]:
        from mentalspace.drills.run import run_drills

        return await run_drills(services, selection, say)

    async def doctor(self, services: Services, room: str | None) -> list[Report]:
        from mentalspace.workflows.doctor import examine

        return await examine(services, room)

    async def why(self, services: Services, person: str, verb: str, place: str) -> list[Standing]:
        from mentalspace.workflows.doctor import why

        return await why(services, person, verb, place)

    async def readiness(self, services: Services) -> list[Point]:
        from mentalspace.workflows.readiness import examine_readiness

        return await examine_readiness(services)

    def bench(self, arguments: list[str]) -> int:
        from subprocess import run

        script = Path(__file__).parents[2] / "benchmarks"
        return run([sys.executable, "-m", "benchmarks", *arguments], cwd=script.parent).returncode

    def acting(self, vault: Vault | None = None) -> Acting:
        """`vault` knows kept recipients; without one, the names of its actions alone are of use."""
        from mentalspace.engine.signing import Signer
        from mentalspace.workflows.acting import Acting

        return Acting(self.settings, vault or self.vault(), Signer(self._signing_keys()))

    def _drill_starter(self, services: Services) -> Callable[[str, str], Awaitable[str]]:
        from mentalspace.drills.run import start_drill

        return lambda drill_id, actor: start_drill(services, drill_id, actor)

    def _game_day_starter(
        self, services: Services
    ) -> Callable[[str, list[str], float], Awaitable[str]]:
        from mentalspace.drills.game_day import start_game_day

        return lambda actor, rooms, per_minute: start_game_day(services, actor, rooms, per_minute)


async def _tell_what_waits(admin_url: str, say: Say) -> None:
    """A live credential without its vendor's agreement sends nothing that names a client."""
    from mentalspace.engine.agreement import standings
    from mentalspace.engine.db import connect_owner

    async with connect_owner(admin_url) as owner:
        for standing in await standings(owner):
            if standing.is_missing:
                name = f"{standing.integration} {standing.provider}/{standing.endpoint}"
                say(f"agreement: none holds for {name}; what names clients waits")


async def _make_user(
    owner: Any, email: str, name: str, password: str, role: str, practice_id: UUID | None
) -> None:
    from mentalspace.practice.identity import create_user

    await create_user(owner, email, name, password, [(role, practice_id)], renew_password=True)


async def _answers(url: str) -> bool:
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=3)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


def run() -> None:
    """The `mentalspace` command."""
    from mentalspace.cli import build

    build(lambda: MentalSpace(os.environ))()
