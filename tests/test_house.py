"""The house's own rules: what every room, provider and error case must have."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import grimp
import pytest

import mentalspace
from mentalspace.drills.rehearse import ACTS
from mentalspace.emulator.kit import open_kit
from mentalspace.emulator.role import Listener
from mentalspace.engine.runbook import AlertKind, RoomRunbook, check, load_runbooks
from mentalspace.engine.steps import ENGINE_ACTIONS
from mentalspace.engine.suppression import SUPPRESSING
from mentalspace.integrations import discover_rooms, discover_sandboxes, room_names
from mentalspace.kernel.case import Disposition, ErrorCase, classify
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.integration import Door, Integration, Provider
from mentalspace.kernel.settings import SANDBOX_PORTS

SOURCE = Path(mentalspace.__file__).parent
ROOMS = discover_rooms()
RUNBOOKS = load_runbooks(list(ROOMS.values()), None)
PROVIDERS = [(room, provider) for room in ROOMS.values() for provider in room.providers]
CASES = list(RUNBOOKS.cases)
STEPS = {*ENGINE_ACTIONS, *SUPPRESSING, "open_task", "fall_back", "mark_landline", "name_wording"}


def folder(room: Integration) -> Path:
    return SOURCE / "integrations" / room.name


@pytest.mark.parametrize("room", ROOMS.values(), ids=lambda room: room.name)
def test_a_room_is_built_to_plan(room: Integration) -> None:
    """A room has its seam, its README, its model, its runbook and its tests."""
    here = folder(room)
    for needed in ("room.py", "README.md", "model.py", "runbook/overview.toml", "tests"):
        assert (here / needed).exists(), f"{room.name} lacks {needed}"
    assert (here / "__init__.py").read_text() == "", "a room's package must import nothing"


@pytest.mark.parametrize(("room", "provider"), PROVIDERS, ids=lambda x: x.name)
def test_a_provider_is_built_to_plan(room: Integration, provider: Provider) -> None:
    """A provider has wire, adapter, sandbox, error cases, and a README with sources; webhooks
    if it sends any. One of its secrets at least says who its customer is."""
    here = folder(room) / provider.name
    for needed in ("wire.py", "adapter.py", "errors", "README.md"):
        assert (here / needed).exists(), f"{room.name}/{provider.name} lacks {needed}"
    sandbox = (here / "sandbox.py", here / "sandbox/__init__.py")  # a package once it is long
    assert any(path.exists() for path in sandbox), f"{room.name}/{provider.name} lacks sandbox.py"
    assert (here / "webhooks.py").exists() == provider.calls_back
    assert (provider.verify_webhook is None) == (provider.parse_webhook is None)
    assert any(field.identifies for field in provider.credential_fields)
    assert (here / "__init__.py").read_text() == ""
    readme = (here / "README.md").read_text()
    assert re.search(r"documented|fixture|seen live", readme), "say how each claim is known"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_whole(case: ErrorCase) -> None:
    """Every case is explained, sourced, reviewed, and names steps that exist."""
    assert len(case.body) > 200, "a person must be able to act on it at night"
    assert case.source and case.owner
    assert case.next_review > case.reviewed
    assert {step.do for step in case.steps} <= STEPS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_drilled(case: ErrorCase) -> None:
    """Every case names a drill of its room, and that drill proves it.

    That the sandbox really emits it and the adapter recognises it is shown by running them all.
    """
    room = RUNBOOKS.room(case.integration)
    assert case.drill is not None
    drill = room.drill(case.drill)
    assert case.id in drill.cases or drill.expect.case == case.id


@pytest.mark.parametrize("room", RUNBOOKS.rooms, ids=lambda room: room.room)
def test_a_room_has_one_case_for_the_unmatched(room: RoomRunbook) -> None:
    """What nobody foresaw is held for a person, in every room."""
    [unmatched] = [case for case in room.cases if not case.match]
    assert unmatched.disposition is Disposition.HUMAN


def test_the_runbook_checks_itself() -> None:
    """`mentalspace runbook check` finds nothing in what ships."""
    problems = check(RUNBOOKS, today=date(2026, 11, 23), known_steps=STEPS)
    assert [str(problem) for problem in problems] == []


def test_rooms_and_sandboxes_are_found_by_looking() -> None:
    """Whatever has a room.py is a room, and each of its providers has a sandbox."""
    assert room_names() == sorted(ROOMS)
    played = {(room, provider) for room, provider, _module in discover_sandboxes()}
    assert played == {(room.name, provider.name) for room, provider in PROVIDERS}


def test_a_door_that_is_not_http_leads_to_its_sandbox(tmp_path: Path) -> None:
    """Where a provider that speaks something else is looked for, there its sandbox listens."""
    kit = open_kit(tmp_path, seed=0)
    for room, name, module in discover_sandboxes():
        role, door = module.emulator(kit), ROOMS[room].provider(name).sandbox_door
        if not isinstance(role, Listener):
            assert door is None
            continue
        assert door == Door(role.scheme, role.offset)
        assert 1 < role.offset <= SANDBOX_PORTS


def test_providers_keep_their_floors() -> None:
    """In a room: providers stand above render, store and model, and beside each other; in a
    provider: adapter and webhooks above the wire. The rest is the import contracts'."""
    graph = grimp.build_graph("mentalspace", cache_dir=None)
    for room, provider in PROVIDERS:
        base = f"{room.package}.{provider.name}"
        strangers = [f"{room.package}.{p.name}." for p in room.providers if p is not provider]
        for module in graph.find_descendants(base):
            for imported in graph.find_modules_directly_imported_by(module):
                assert not imported.startswith((f"{room.package}.room", *strangers)), module
        for low in (f"{room.package}.{name}" for name in ("model", "render", "store")):
            if low in graph.modules:
                imports = graph.find_modules_directly_imported_by(low)
                assert not any(name.startswith(f"{base}.") for name in imports), low
        wire = graph.find_modules_directly_imported_by(f"{base}.wire")
        assert not wire & {f"{base}.adapter", f"{base}.webhooks"}
        sandbox = {m for m in graph.modules if f"{m}.".startswith(f"{base}.sandbox.")}
        for module in graph.find_descendants(base) - sandbox:
            assert not graph.find_modules_directly_imported_by(module) & sandbox, module


def test_the_engine_knows_no_provider() -> None:
    """No provider's or room's name stands in the engine, the emulator kit or the kernel; to resend
    a request is the word of the conventions of OpenTelemetry."""
    names = {provider.name for _room, provider in PROVIDERS} | {"twilio", "stripe", "supabase"}
    for floor in ("engine", "emulator", "kernel"):
        for path in (SOURCE / floor).rglob("*.py"):
            code = _code_only(path).lower().replace("http.request.resend_count", "")
            words = set(re.findall(r"[a-z]+", code))
            assert not names & words, f"{path.relative_to(SOURCE)} names {names & words}"


def test_modules_say_what_they_are() -> None:
    """Every module that holds code begins with a sentence."""
    for path in _python_files():
        text = path.read_text()
        if text.strip():
            docstring = ast.get_docstring(ast.parse(text))
            assert docstring and docstring.split("\n\n")[0].strip().endswith((".", ":", "?")), path


@pytest.mark.parametrize("room", RUNBOOKS.rooms, ids=lambda room: room.room)
def test_a_room_waits_for_an_agreement(room: RoomRunbook) -> None:
    """What names a client and lacks a vendor agreement waits, in every room, and pages."""
    for provider in ROOMS[room.room].providers:
        case = classify(
            room.cases_for(provider.name), Evidence("refused_locally", code="no_agreement")
        )
        assert (case.id, case.disposition) == (f"{room.room}.no_agreement", Disposition.WAIT)
    assert any(
        rule.kind is AlertKind.PAUSED and rule.cases == (f"{room.room}.no_agreement",)
        for rule in room.overview.alerts
    )


def test_rehearsals_do_what_the_code_can() -> None:
    """Each step of the house's own drills is an act that is registered, and each act is used."""
    named = {step.do for rehearsal in RUNBOOKS.rehearsals for step in rehearsal.steps}
    assert named == set(ACTS)


def test_a_rule_of_the_house_without_a_drill_names_a_test_that_there_is() -> None:
    """Whoever reads its page may run it."""
    named = [proof.test for proof in RUNBOOKS.house_proofs if proof.test is not None]
    for file, _, name in (test.partition("::") for test in named):
        assert f"def {name}(" in (SOURCE.parents[1] / file).read_text(), file


def test_alert_rules_name_their_drill() -> None:
    """A rule that is evaluated names the drill that fires it."""
    for path in (SOURCE / "integrations").glob("*/runbook/overview.toml"):
        for rule in tomllib.loads(path.read_text()).get("alert", []):
            if rule.get("state", "live") == "live":
                assert rule.get("drill"), f"{rule['id']} was never proven to fire"


def _code_only(path: Path) -> str:
    """A module's code without comments and docstrings: prose may give an example."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.unparse(tree)


def _python_files() -> Iterator[Path]:
    return (path for path in SOURCE.rglob("*.py") if "tests" not in path.parts)
