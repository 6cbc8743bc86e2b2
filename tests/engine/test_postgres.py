"""Whatever befell it before, the embedded PostgreSQL ends as one healthy server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mentalspace.engine import postgres
from mentalspace.engine.postgres import binaries, cluster, place, process
from mentalspace.engine.postgres.server import Cluster, postmaster

pytestmark = pytest.mark.database

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")

CALLER = """
import sys, time
from pathlib import Path
from mentalspace.engine import postgres
server = postgres.ensure_running(Path(sys.argv[1]))
print(server.pid, server.port, flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def new_home(tmp_path: Path) -> Iterator[Path]:
    """A home that nothing has used."""
    home = tmp_path / "home"
    yield home
    postgres.destroy(home)


@pytest.fixture(scope="module")
def old_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose database exists; tests share it and may leave it in any state."""
    home = tmp_path_factory.mktemp("postgres") / "home"
    postgres.ensure_running(home)
    query(postgres.ensure_running(home), "create table kept as select 42 as answer")
    yield home
    postgres.destroy(home)


def test_a_fresh_start_answers_over_the_wire(new_home: Path) -> None:
    """A home that was never used gets a healthy server, and a second call the same one, fast."""
    said: list[str] = []
    server = postgres.ensure_running(new_home, say=said.append)

    assert query(server, "show server_version").startswith("18.")
    assert query(server, "show data_checksums") == "on"
    assert query(server, "select lower('ÉTÉ')") == "été"
    assert any("Creating" in line for line in said)
    began = time.monotonic()
    assert postgres.ensure_running(new_home) == server == postgres.running(new_home)
    assert time.monotonic() - began < 1


def test_version_16_starts_too(new_home: Path) -> None:
    """The older version serves, beside 18 if need be, and each is stopped for itself."""
    server = postgres.ensure_running(new_home, version=16)

    assert query(server, "show server_version").startswith("16.")
    assert query(server, "select lower('ÉTÉ')") == "été"
    assert query(server, "show data_checksums") == "on"
    postgres.stop(new_home)
    assert postgres.running(new_home, version=16) == server
    postgres.stop(new_home, version=16)
    assert postgres.running(new_home, version=16) is None


def test_it_is_closed_to_strangers(old_home: Path) -> None:
    """Only 127.0.0.1 listens, a password is demanded, and secrets are the owner's alone."""
    server = postgres.ensure_running(old_home)

    assert query(server, "show listen_addresses") == "127.0.0.1"
    assert query(server, "show unix_socket_directories") == ""
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(replace(server, url=server.url.replace("postgres:", "postgres:x", 1)), "select 1")
    password = old_home / "postgres" / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
    assert password.read_text().strip() not in repr(server)


@as_root
def test_root_runs_it_as_an_account_of_its_own(old_home: Path) -> None:
    """As root it runs as this installation's account, knowing nothing of our environment, and
    the modes of directories that were there stay as they were."""
    parents = [old_home.parent, Path("/var"), Path("/var/lib"), binaries.wheel()]
    before = [path.stat().st_mode for path in parents]
    os.environ["MENTALSPACE_TEST_SECRET"] = "hidden"
    try:
        postgres.stop(old_home)
        server = postgres.ensure_running(old_home)
    finally:
        del os.environ["MENTALSPACE_TEST_SECRET"]

    there = existing(old_home)
    assert Path(f"/proc/{server.pid}/cmdline").stat().st_uid == server.data_dir.stat().st_uid
    assert server.data_dir.owner() == there.place.account
    # Asked as the account: root may be denied it in a container.
    environment = there.place.run(["cat", f"/proc/{server.pid}/environ"], timeout_s=5)
    assert "PATH=" in environment
    assert "MENTALSPACE" not in environment
    assert [path.stat().st_mode for path in parents] == before


def test_stop_is_clean_and_repeatable(old_home: Path) -> None:
    """After a stop nothing of the server runs; stopping again does nothing; a warm start takes
    under 1.5 s and keeps port and data."""
    server = postgres.ensure_running(old_home)
    postgres.stop(old_home)
    postgres.stop(old_home)

    assert postgres.running(old_home) is None
    assert processes(old_home) == []
    began = time.monotonic()
    again = postgres.ensure_running(old_home)
    assert time.monotonic() - began < 1.5
    assert again.port == server.port
    assert_kept(again)


def test_stop_where_nothing_ever_ran(tmp_path: Path) -> None:
    """Stopping or asking in an unused home does nothing and leaves no trace."""
    postgres.stop(tmp_path / "home")
    assert postgres.running(tmp_path / "home") is None
    assert not (tmp_path / "home").exists()


def test_a_stale_pid_file_whose_process_is_dead(old_home: Path) -> None:
    """A pid file naming a dead process does not hinder a start."""
    there = stopped(old_home)
    with sleeper(there) as pid:
        pass
    leave_pid_file(there, pid)

    assert_kept(postgres.ensure_running(old_home))


def test_a_stale_pid_file_whose_pid_lives_on_in_another_process(old_home: Path) -> None:
    """A pid file naming an unrelated process of the same account neither hinders a start nor
    costs that process its life."""
    there = stopped(old_home)
    with sleeper(there) as pid:
        leave_pid_file(there, pid)

        assert postgres.running(old_home) is None
        server = postgres.ensure_running(old_home)
        assert server.pid != pid
        assert_kept(server)
        assert process.command_line(pid) == "sleep 60"


def test_a_stale_pid_file_whose_process_is_a_zombie(old_home: Path) -> None:
    """A dead process that nobody has reaped yet does not pass for a server."""
    there = stopped(old_home)
    child = there.place.command(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        leave_pid_file(there, child.pid)
        assert_kept(postgres.ensure_running(old_home))
    finally:
        child.wait()


def test_an_unreadable_pid_file(old_home: Path) -> None:
    """A pid file cut short by a full disk does not hinder a start."""
    there = stopped(old_home)
    there.pid_file.write_text("")

    assert_kept(postgres.ensure_running(old_home))


def test_a_killed_postmaster(old_home: Path) -> None:
    """After SIGKILL of the postmaster the next call brings a new one up at the same port."""
    server = postgres.ensure_running(old_home)
    os.kill(server.pid, signal.SIGKILL)

    again = postgres.ensure_running(old_home)
    assert again.pid != server.pid
    assert again.port == server.port
    assert_kept(again)


def test_a_killed_postmaster_with_a_busy_orphan(old_home: Path) -> None:
    """A backend that computes on without its postmaster is ended, not waited for."""
    server = postgres.ensure_running(old_home)
    with psql(old_home, "do $$ begin loop end loop; end $$") as client:
        until(lambda: query(server, BUSY) == 1)
        os.kill(server.pid, signal.SIGKILL)
        again = postgres.ensure_running(old_home)
        assert client.wait(10) != 0

    assert_kept(again)
    assert count_postmasters(old_home) == 1


def test_a_killed_parent(old_home: Path) -> None:
    """The server outlives a Ctrl-C and a SIGKILL at whoever started it, and is adopted."""
    postgres.stop(old_home)
    caller = call(old_home, stay_s=60)
    assert caller.stdout is not None
    pid = int(caller.stdout.readline().split()[0])
    os.killpg(caller.pid, signal.SIGINT)
    os.killpg(caller.pid, signal.SIGKILL)
    caller.communicate()

    server = postgres.ensure_running(old_home)
    assert server.pid == pid
    assert_kept(server)


def test_a_parent_killed_while_it_starts_the_server(old_home: Path) -> None:
    """Killing the starter at any early moment leaves nothing that hinders the next call."""
    for delay_s in (0.1, 0.25, 0.3, 0.35, 0.45):
        postgres.stop(old_home)
        caller = call(old_home, stay_s=60)
        time.sleep(delay_s)
        caller.kill()
        caller.communicate()

        assert_kept(postgres.ensure_running(old_home))
        assert count_postmasters(old_home) == 1


def test_a_slow_disk(old_home: Path) -> None:
    """A postmaster that takes its time is waited for, with word of it."""
    there = stopped(old_home)
    said: list[str] = []
    programs = slow_programs(there, delay_s=3)

    server = cluster.start(there, programs, timeout_s=60, say=said.append)
    assert any(line.startswith("Waiting for PostgreSQL, 2 s of at most 60 s") for line in said)
    assert_kept(server)


def test_a_disk_slower_than_our_patience(old_home: Path) -> None:
    """When time runs out the error says what to do, and the next call ends healthy all the
    same."""
    there = stopped(old_home)
    programs = slow_programs(there, delay_s=2)
    with pytest.raises(postgres.PostgresError, match="did not answer within 1 s; see the end of"):
        cluster.start(there, programs, timeout_s=1, say=lambda _: None)

    assert_kept(postgres.ensure_running(old_home))
    assert count_postmasters(old_home) == 1


def test_two_first_starts_at_once(new_home: Path) -> None:
    """Three processes starting in one new home get the same single server."""
    callers = [call(new_home, stay_s=0) for _ in range(3)]
    answers = {caller.communicate()[0] for caller in callers}

    server = postgres.running(new_home)
    assert server is not None
    assert answers == {f"{server.pid} {server.port}\n"}
    assert count_postmasters(new_home) == 1


def test_threads_and_event_loops_may_ask(old_home: Path) -> None:
    """Calls from several threads, and from inside a running event loop, get the same server."""
    postgres.stop(old_home)
    with ThreadPoolExecutor(4) as pool:
        servers = set(pool.map(postgres.ensure_running, [old_home] * 4))

    async def inside() -> postgres.Server:
        return postgres.ensure_running(old_home)

    with ThreadPoolExecutor(1) as pool:
        servers.add(pool.submit(asyncio.run, inside()).result())
    assert len(servers) == 1


def test_an_interrupted_initdb(new_home: Path) -> None:
    """A first start killed half-way leaves no half database: the next call makes a whole one."""
    caller = call(new_home, stay_s=60)
    until(lambda: any(unfinished(new_home)))
    os.killpg(caller.pid, signal.SIGKILL)
    caller.communicate()
    assert postgres.running(new_home) is None

    assert query(postgres.ensure_running(new_home), "select 1") == 1
    assert not any(unfinished(new_home))


def test_a_directory_without_our_mark(new_home: Path) -> None:
    """A data directory that we never completed is replaced, and kept aside."""
    with place.locked(new_home, timeout_s=1):
        there = Cluster(place.make_place(new_home), 18)
    there.data.mkdir()
    there.data.joinpath("PG_VERSION").write_text("18\n")

    assert query(postgres.ensure_running(new_home), "select 1") == 1
    (aside,) = there.data.parent.glob("data-18.incomplete-*")
    assert [path.name for path in aside.iterdir()] == ["PG_VERSION"]


def test_a_taken_port(old_home: Path) -> None:
    """When another program took the remembered port, the server moves to a free one."""
    before = postgres.ensure_running(old_home)
    postgres.stop(old_home)
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", before.port))
        thief.listen()
        server = postgres.ensure_running(old_home)

    assert server.port != before.port
    assert_kept(server)


def test_a_start_that_cannot_succeed(old_home: Path) -> None:
    """A server that always ends at start gives an error naming the log, soon."""
    there = stopped(old_home)
    control = there.data / "global" / "pg_control"
    control.rename(control.with_suffix(".away"))
    try:
        with pytest.raises(postgres.PostgresError, match=r"ended 5 times .*postgres\.log"):
            postgres.ensure_running(old_home)
    finally:
        control.with_suffix(".away").rename(control)
    assert "pg_control" in (old_home / "logs" / "postgres.log").read_text()


def test_a_wrong_password_is_said_at_once(old_home: Path) -> None:
    """A password file that is not the server's ends the wait with its name."""
    postgres.ensure_running(old_home)
    file = old_home / "postgres" / "password"
    kept = file.read_text()
    try:
        file.write_text("another")
        with pytest.raises(postgres.PostgresError, match="postgres/password is not the server's"):
            postgres.ensure_running(old_home)
    finally:
        file.write_text(kept)


def test_clients_words_stay_out_of_the_log(old_home: Path) -> None:
    """Neither an error that quotes a value, nor a broken constraint, nor a crashed backend's
    query brings a client's name into the log."""
    server = postgres.ensure_running(old_home)
    query(server, "create table named (name text unique)")
    query(server, "insert into named values ('Zebedee')")
    with pytest.raises(asyncpg.PostgresError):
        query(server, "select 'Zebedee'::int")
    with pytest.raises(asyncpg.PostgresError):
        query(server, "insert into named values ($1)", "Zebedee")
    with psql(old_home, "select 'Zebedee', pg_sleep(60)") as client:
        until(lambda: query(server, BUSY) == 1)
        backend = query(server, BUSY.replace("count(*)", "max(pid)"))
        os.kill(backend, signal.SIGKILL)
        client.wait(10)
    until(lambda: postgres.running(old_home) is not None)

    log = (old_home / "logs" / "postgres.log").read_text()
    assert "was terminated by signal 9" in log
    assert "Zebedee" not in log


@as_root
def test_programs_the_account_cannot_read_are_copied(old_home: Path, tmp_path: Path) -> None:
    """A wheel in a private directory is copied to where the account runs it, libraries too,
    and the private directory stays private."""
    there = stopped(old_home)
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for part in (binaries.PACKAGE, f"{binaries.PACKAGE}.libs"):
        private.joinpath(part).symlink_to(binaries.wheel() / part)

    programs = binaries.programs(there.place, 18, origin=private)
    assert programs.is_relative_to(there.place.state)
    assert binaries.programs(there.place, 18, origin=private) == programs
    assert_kept(cluster.start(there, programs, timeout_s=60, say=lambda _: None))
    assert there.place.run([programs / "psql", "--version"], timeout_s=10).startswith("psql")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_an_account_with_another_uid_gets_its_data_back(old_home: Path) -> None:
    """A container rebuilt around kept data makes the account anew; the data follows it."""
    there = stopped(old_home)
    for path in (there.data, *there.data.rglob("*")):
        os.chown(path, 12345, 12345)

    assert_kept(postgres.ensure_running(old_home))


@as_root
def test_a_home_removed_and_made_anew_starts_empty(new_home: Path) -> None:
    """When a home was deleted, its database's password went with it: a new home at the path
    gets a new database and leaves the old one alone."""
    first = postgres.ensure_running(new_home)
    new_home.rename(new_home.with_name("away"))
    try:
        second = postgres.ensure_running(new_home)
        assert second.data_dir != first.data_dir
        assert query(first, "select 1") == 1
    finally:
        postgres.destroy(new_home.with_name("away"))


@as_root
def test_another_users_home_is_refused(tmp_path: Path) -> None:
    """Root does not make a second database in a home that an ordinary user began."""
    notes = tmp_path / "home" / "postgres"
    notes.mkdir(parents=True)
    os.chown(notes, 12345, 12345)

    with pytest.raises(postgres.PostgresError, match="belongs to another user; run as its owner"):
        postgres.ensure_running(tmp_path / "home")


@as_root
def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    """After `destroy` neither process nor data nor account is left."""
    home = tmp_path / "home"
    server = postgres.ensure_running(home)
    there = place.existing_place(home)
    assert there is not None
    assert there.account is not None
    postgres.destroy(home)

    assert process.command_line(server.pid) is None
    assert not there.state.exists()
    assert there.account not in Path("/etc/passwd").read_text()


BUSY = (
    "select count(*) from pg_stat_activity "
    "where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()"
)


def query(server: postgres.Server, sql: str, *args: object) -> Any:
    """The first value the server answers, over the wire."""

    async def ask() -> Any:
        connection = await asyncpg.connect(server.url, ssl=False, timeout=10)
        try:
            return await connection.fetchval(sql, *args)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, ask()).result()


def assert_kept(server: postgres.Server) -> None:
    assert query(server, "select answer from kept") == 42


def existing(home: Path) -> Cluster:
    there = place.existing_place(home.resolve())
    assert there is not None
    return Cluster(there, 18)


def stopped(home: Path) -> Cluster:
    postgres.stop(home)
    return existing(home)


def processes(home: Path) -> list[int]:
    return process.find(existing(home).is_mine)


def count_postmasters(home: Path) -> int:
    return len(process.find(existing(home).is_postmaster))


def unfinished(home: Path) -> Iterator[Path]:
    there = place.existing_place(home.resolve()) if home.exists() else None
    return there.state.glob("data-18.new-*/PG_VERSION") if there else iter(())


def leave_pid_file(there: Cluster, pid: int) -> None:
    lines = [str(pid), str(there.data), "1700000000", "5432", "", "127.0.0.1", "1 1", "ready"]
    there.pid_file.write_text("\n".join(lines) + "\n")
    there.place.give(there.pid_file)
    assert postmaster(there) is None


def slow_programs(there: Cluster, *, delay_s: int) -> Path:
    """Programs whose postmaster comes late."""
    real = binaries.programs(there.place, 18)
    directory = there.place.state / f"slow-{delay_s}"
    directory.mkdir(exist_ok=True)
    wrapper = directory / "postgres"
    delay = f'if [ "$1" = -D ]; then sleep {delay_s}; fi'
    wrapper.write_text(f'#!/bin/sh\n{delay}\nexec "{real}/postgres" "$@"\n')
    control = directory / "pg_ctl"
    control.write_bytes((real / "pg_ctl").read_bytes())
    for path in (directory, wrapper, control):
        path.chmod(0o755)
    return directory


def call(home: Path, *, stay_s: float) -> subprocess.Popen[str]:
    """Another process that calls `ensure_running`, says what it got, and stays a while."""
    return subprocess.Popen(
        [sys.executable, "-c", CALLER, str(home), str(stay_s)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def sleeper(there: Cluster) -> Iterator[int]:
    """An unrelated process of the same account."""
    with there.place.command(["sleep", "60"]) as child:
        until(lambda: process.command_line(child.pid) == "sleep 60")
        yield child.pid
        child.kill()


@contextmanager
def psql(home: Path, sql: str) -> Iterator[subprocess.Popen[str]]:
    server = postgres.ensure_running(home)
    program = binaries.programs(existing(home).place, 18) / "psql"
    with subprocess.Popen(
        [program, server.url, "-c", sql],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as client:
        yield client
        client.kill()


def until(true: Callable[[], bool], *, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
