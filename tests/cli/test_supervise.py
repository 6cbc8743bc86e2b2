"""The supervisor over real processes: they come back, and they all end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mentalspace.cli.keep import LONGEST_WAIT_S, backoff_s
from mentalspace.cli.living import Mark, mark_of, wait_gone
from mentalspace.cli.restart import restart
from mentalspace.cli.run_state import AlreadyUp, RunState, Seen, hold, now_text, read, write
from mentalspace.cli.up import end_leftovers
from mentalspace.engine.ends import noted
from mentalspace.kernel.errors import Refused
from tests.house import free_ports


def until(holds: Callable[[], object], within_s: float = 10.0) -> None:
    ends = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends, f"did not happen within {within_s} s"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class SmallHouse:
    home: Path
    process: subprocess.Popen[str]

    def seen(self, name: str) -> Seen:
        state = read(self.home)
        found = [each for each in state.processes if each.name == name] if state else []
        return found[0] if found else Seen(name, "unheard of", "")

    def mark(self, name: str) -> Mark:
        mark = self.seen(name).mark
        assert mark is not None
        return mark

    def stop(self) -> str:
        """SIGTERM; everything it printed. It must end well."""
        self.process.send_signal(signal.SIGTERM)
        printed, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, printed
        return printed


Start = Callable[..., SmallHouse]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a supervisor over the given programs and waits until they run."""
    houses: list[SmallHouse] = []

    def started(*does: str, ready: bool = True) -> SmallHouse:
        arguments = [str(tmp_path), str(free_ports()), *does]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.small_house", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        house = SmallHouse(tmp_path, process)
        houses.append(house)
        if ready:
            names = [f"{each}-{n}" for n, each in enumerate(does)]
            until(lambda: all(house.seen(name).state == "running" for name in names))
            until(lambda: all(tmp_path.joinpath(f"{name}.ready").exists() for name in names))
        return house

    yield started
    for house in houses:
        if house.process.poll() is None:
            house.process.kill()
        house.process.wait()
        if house.process.stdout is not None:
            house.process.stdout.close()


@pytest.mark.alone
def test_a_killed_program_runs_again_at_once(start: Start) -> None:
    """A program killed by SIGKILL has a successor within half a second, and it is counted."""
    house = start("talks", "sleeps")
    before = house.mark("sleeps-1")
    before.send(signal.SIGKILL)
    killed_at = time.monotonic()
    until(lambda: house.seen("sleeps-1").restarts == 1 and house.seen("sleeps-1").mark)
    assert time.monotonic() - killed_at < 0.5
    assert house.mark("sleeps-1") != before
    until(lambda: house.seen("sleeps-1").state == "running")
    [end] = noted(house.home)
    assert (end.kind, end.pid, end.status) == ("sleeps-1", before.pid, -9)
    assert "was ended by SIGKILL" in house.stop()


def test_one_that_hangs_is_restarted_by_hand(start: Start) -> None:
    """It ignores the request to end, is forced, and another runs in its place; the rest stays. What
    nobody keeps here is refused in words."""
    house = start("stubborn", "sleeps")
    before, other = house.mark("stubborn-0"), house.mark("sleeps-1")
    said = restart(house.home, "stubborn-0", grace_s=0.2)
    assert f"was ended (pid {before.pid}) and runs again" in said
    assert house.mark("stubborn-0").alive and not before.alive
    assert house.mark("sleeps-1") == other
    with pytest.raises(Refused, match="no worker is kept running here"):
        restart(house.home, "worker")
    house.process.send_signal(signal.SIGTERM)
    house.process.send_signal(signal.SIGTERM)


def test_a_program_that_answers_is_running_only_when_it_does(start: Start) -> None:
    """After a kill, a program with an address is `running` again only once the address answers."""
    house = start("talks")
    house.mark("talks-0").send(signal.SIGSTOP)
    house.mark("talks-0").send(signal.SIGKILL)
    until(lambda: house.seen("talks-0").state == "restarting")
    until(lambda: house.seen("talks-0").state == "running")


def test_whoever_works_on_the_database_ends_first(start: Start) -> None:
    """SIGTERM ends the programs that need the database, then the others, and exits with 0."""
    house = start("talks", "sleeps")
    marks = [house.mark("talks-0"), house.mark("sleeps-1")]
    house.stop()
    assert house.home.joinpath("ended").read_text().split() == ["sleeps-1", "talks-0"]
    assert not any(mark.alive for mark in marks)
    assert read(house.home) is None


def test_a_second_signal_is_in_a_hurry(start: Start) -> None:
    """A program that ignores SIGTERM is killed as soon as a person asks twice."""
    house = start("talks", "stubborn")
    mark = house.mark("stubborn-1")
    house.process.send_signal(signal.SIGINT)
    until(lambda: house.seen("stubborn-1").state == "stopping")
    assert mark.alive
    house.process.send_signal(signal.SIGINT)
    assert "ending it by force" in house.process.communicate(timeout=5)[0]
    assert not mark.alive


def test_programs_do_not_outlive_a_killed_supervisor(start: Start) -> None:
    """When the supervisor is killed by SIGKILL, its programs end by themselves."""
    house = start("talks", "sleeps")
    marks = [house.mark("talks-0"), house.mark("sleeps-1")]
    house.process.kill()
    assert wait_gone(marks, timeout_s=5) == []
    assert sorted(house.home.joinpath("ended").read_text().split()) == ["sleeps-1", "talks-0"]


def test_a_program_that_cannot_live_is_tried_ever_more_slowly(start: Start) -> None:
    """A program that dies at once is not started in a tight loop."""
    house = start("talks", "dies", ready=False)
    until(lambda: house.seen("dies-1").restarts >= 3)
    printed = house.stop()
    assert "ended with status 3" in printed
    assert "starting it again at once" in printed
    assert "starting it again in 0.5 s" in printed
    assert [backoff_s(n) for n in (0, 1, 2, 3, 4)] == [0, 0, 0.5, 1, 2]
    assert backoff_s(100) == LONGEST_WAIT_S


def test_one_home_has_one_supervisor(start: Start) -> None:
    """A second supervisor of the same home is refused, and told which process is the first."""
    house = start("talks")
    with pytest.raises(AlreadyUp, match=f"process {house.process.pid};"), hold(house.home):
        pass
    house.stop()
    with hold(house.home):
        pass


@pytest.fixture
def sleeper() -> Iterator[Mark]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    mark = mark_of(process.pid)
    assert mark is not None
    yield mark
    process.kill()
    process.wait()


def _leave(home: Path, mark: Mark) -> None:
    """As a supervisor that was killed would."""
    home.joinpath("run").mkdir()
    gone = Mark(mark.pid, "0")
    seen = Seen("worker", "running", now_text(), mark)
    write(home, RunState(gone, now_text(), (seen, replace(seen, name="postgres"))))


def test_leftovers_are_ended(tmp_path: Path, sleeper: Mark) -> None:
    """What a killed supervisor left running is ended by the next start."""
    _leave(tmp_path, sleeper)
    assert end_leftovers(tmp_path)
    assert not sleeper.alive


def test_a_reused_pid_is_left_alone(tmp_path: Path, sleeper: Mark) -> None:
    """A process that merely has the pid of one of ours is never signalled."""
    _leave(tmp_path, replace(sleeper, started="1"))
    assert not end_leftovers(tmp_path)
    assert sleeper.alive


def test_a_zombie_is_not_alive() -> None:
    """A process that ended but was not yet waited for does not count as running."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    mark = Mark(process.pid, "")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert mark_of(process.pid) is None
    assert not mark.alive
    process.wait()


def test_half_a_status_file_is_no_status_file(tmp_path: Path) -> None:
    """A status file that cannot be read counts as none."""
    tmp_path.joinpath("run").mkdir()
    tmp_path.joinpath("run/status.json").write_text('{"supervisor": {"pid": 1')
    assert read(tmp_path) is None
    assert not end_leftovers(tmp_path)
