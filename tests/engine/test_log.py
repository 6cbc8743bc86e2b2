"""Logs can only say what the allow-list names."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mentalspace.engine.log import ALLOWED, configure_logs, get_logger
from mentalspace.kernel.phi import Phi

NAME = "Wilhelmina Quackenbush"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logs of this test alone; afterwards they go where they went."""
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    opened = io.StringIO()
    configure_logs("test", opened, logging.DEBUG)
    yield opened
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=20)
values = st.one_of(
    st.just(NAME),
    st.just([NAME]),
    st.just({"name": NAME}),
    st.just(NAME.encode()),
    st.builds(Phi, st.just(NAME)),
    st.builds(ValueError, st.just(NAME)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(names.filter(lambda n: n not in ALLOWED), values, min_size=1, max_size=4))
def test_a_field_that_is_not_allowed_is_dropped(
    stream: io.StringIO, fields: dict[str, Any]
) -> None:
    """Whatever stands in a field nobody allowed, neither its value nor its name is written."""
    stream.seek(0)
    stream.truncate()
    reserved = {"self", "event"}
    fields = {name: value for name, value in fields.items() if name not in reserved}
    cast(Any, get_logger("t")).info("happened", **fields)
    [line] = lines(stream)
    assert line.keys() <= ALLOWED
    assert line.get("dropped_fields", 0) == len(fields)
    assert NAME not in stream.getvalue()


@pytest.mark.parametrize(
    "value", [[NAME], {"a": NAME}, NAME.encode(), Phi(NAME), ValueError(NAME), {NAME}, (NAME,)]
)
def test_objects_in_allowed_fields_shrink_to_their_type(stream: io.StringIO, value: Any) -> None:
    """Even in an allowed field only plain values are written; of anything else, its type."""
    get_logger("t").info("happened", reason=value, delivery_id=UUID(int=7))
    [line] = lines(stream)
    assert line["reason"] == type(value).__name__
    assert line["delivery_id"] == str(UUID(int=7))


def test_an_exceptions_text_is_not_written(stream: io.StringIO) -> None:
    """Neither our own logger nor another library's writes what an exception says."""
    try:
        raise ValueError(NAME)
    except ValueError as error:
        get_logger("t").exception("broke", error=type(error).__name__)
        logging.getLogger("asyncpg").exception("could not take %s", NAME)
        logging.getLogger("aiohttp.server").error("bad %s", NAME, exc_info=error)
    assert NAME not in stream.getvalue()
    assert [line.get("error") for line in lines(stream)] == ["ValueError"] * 3
    assert lines(stream)[1]["kind"] == "asyncpg"


async def test_a_task_nobody_awaited_says_nothing_private(stream: io.StringIO) -> None:
    """What the event loop reports of a lost exception is a line without its text."""
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": f"lost {NAME}", "exception": ValueError(NAME)})
    assert NAME not in stream.getvalue()
    assert lines(stream)[0]["error"] == "ValueError"


def test_every_line_is_stamped(stream: io.StringIO) -> None:
    """Each line is JSON with its process, level, instant and event."""
    get_logger("t").warning("happened", count=3)
    [line] = lines(stream)
    assert (line["process"], line["level"], line["event"]) == ("test", "warning", "happened")
    assert line["timestamp"].endswith("Z")
    assert line["count"] == 3


# Phi ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Holder:
    name: Phi[str]


@given(st.text(min_size=9).filter(lambda text: "‹phi›" not in text))
def test_phi_prints_as_phi_in_every_way(text: str) -> None:
    """No way of turning it into text shows what is inside, alone or in another object."""
    phi = Phi(text)
    shown = [str(phi), repr(phi), f"{phi}", f"{phi!r:>20}", f"{phi:>5}", "%s" % phi,  # noqa: UP031
             "%r" % (phi,), "{}".format(phi), str([phi]), repr({"a": phi}), repr(Holder(phi)),  # noqa: UP031, UP032
             str(ValueError(phi))]  # fmt: skip
    for each in shown:
        assert "‹phi›" in each
        assert text not in each
    assert phi.reveal() == text


def test_phi_does_not_leave_the_process() -> None:
    """It is neither pickled nor made JSON of by accident."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Phi(NAME))
    with pytest.raises(TypeError):
        json.dumps({"name": Phi(NAME)})
    assert not hasattr(Phi(NAME), "__dict__")


def test_phi_compares_without_showing() -> None:
    """Two of the same value are equal and hash alike; a bare value is not one of them."""
    assert Phi(NAME) == Phi(NAME)
    assert hash(Phi(NAME)) == hash(Phi(NAME))
    assert Phi(NAME) != Phi("other")
    assert Phi(NAME) != NAME


# What the code itself says -------------------------------------------------------------------


def test_nobody_writes_an_exceptions_text_into_a_log() -> None:
    """In the source no log call carries an exception or its text; only its type's name."""
    import ast

    source = Path(__file__).parents[2] / "src/mentalspace"
    offenders = []
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "log"):
                continue
            said = [ast.unparse(k.value) for k in node.keywords] + [
                ast.unparse(a) for a in node.args
            ]
            bad = [s for s in said if "str(" in s or "reveal" in s or s in ("error", "exc")]
            offenders += [f"{path.name}:{node.lineno}: {s}" for s in bad]
            for argument in node.args[:1]:
                assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}"
    assert offenders == []


# What nobody caught -------------------------------------------------------------------------

UNCAUGHT = """
import asyncio, sys, threading, warnings
from mentalspace.engine.log import configure_logs
configure_logs("test")

class Left:
    def __del__(self):
        raise ValueError(NAME)

async def group():
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(broken())

async def broken():
    raise KeyError(NAME)

def in_thread():
    raise OSError(NAME)

NAME = sys.argv[1]
warnings.warn(NAME)
left = Left()
del left
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
asyncio.run(group())
"""


def test_what_nobody_caught_is_a_line_without_its_text() -> None:
    """A process that dies, a thread that does, a warning: each is a line, none quotes anything."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT, NAME], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert NAME not in done.stderr + done.stdout
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in said] == ["library_log", *["uncaught"] * 3]
    assert [line["error"] for line in said[1:]] == ["ValueError", "OSError", "KeyError"]
    assert said[-1]["code"].endswith(" broken")
