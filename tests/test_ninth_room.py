"""The house's promise: scaffold a room, fill it, touch nothing else, and every door knows it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Databases
from tests.ninth import toy
from tests.ninth.checkout import ROOT, Checkout, check_out

FAX = "src/mentalspace/integrations/fax/"
# What a sandbox must not need, so that it starts in a moment and without a database.
_UPSTAIRS = ("mentalspace.engine", "mentalspace.practice", "mentalspace.workflows", "asyncpg")
_PLAY = f"""
import asyncio, json, sys
from pathlib import Path
import aiohttp
from mentalspace.sandbox.running import running_sandbox

async def play():
    async with running_sandbox(Path(sys.argv[1]), rooms=["fax"]) as sandbox:
        async with aiohttp.ClientSession() as http:
            async with http.get(sandbox.url + "/fax/faxco/account") as answer:
                return {{"http": answer.status, "body": await answer.json()}}

answer = asyncio.run(play())
answer["upstairs"] = [name for name in sys.modules if name.startswith({_UPSTAIRS!r})]
print(json.dumps(answer))
"""


@dataclass(frozen=True, slots=True)
class Made:
    """A checkout with the room; `before` is its files without it, `said` what making it said."""

    checkout: Checkout
    before: dict[str, str]
    scaffolded: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """`make room NAME=fax`, and a table and a route of its own put in by hand."""
    checkout = check_out(tmp_path_factory.mktemp("ninth"))
    before = checkout.files()
    done = checkout.make_room("NAME=fax")
    assert done.returncode == 0, done.stderr
    scaffolded = checkout.files()
    toy.fill(checkout.rooms / "fax")
    return Made(checkout, before, scaffolded, done.stdout)


@pytest.fixture(scope="module")
async def older_database(databases: Databases) -> AsyncIterator[str]:
    """The owner's URL of a database that was migrated before there was a ninth room."""
    async with databases.lend() as url:
        yield url


@pytest.fixture(scope="module")
def seen(made: Made, older_database: str) -> dict[str, Any]:
    """What a tour of the running house found at each door."""
    told = made.checkout.python("-m", "tests.ninth.tour", "fax", DATABASE_URL=older_database)
    found: dict[str, Any] = json.loads(told)
    return found


# Making it ----------------------------------------------------------------------------------------


def test_making_a_room_says_what_to_fill_in(made: Made) -> None:
    """Every file of the new room asks for something in one sentence, and the answer lists them."""
    new = [name for name in made.scaffolded if name not in made.before]
    assert all(name.startswith(FAX) for name in new)
    for name in new:
        text = (made.checkout.path / name).read_text()
        if text:
            [sentence] = re.findall(r"Fill in: (.+?\.)(?: -->)?$", text, re.MULTILINE)
            line = rf"^  {re.escape(name.removeprefix(FAX))} +{re.escape(sentence)}$"
            assert re.search(line, made.said, re.MULTILINE), name
    assert "mentalspace drill fax" in made.said


def test_a_second_room_of_the_name_is_refused(made: Made) -> None:
    """What somebody has begun to fill in is never written over."""
    before = made.checkout.files()
    done = made.checkout.make_room("NAME=fax")
    assert done.returncode != 0
    assert "mentalspace: there is a room 'fax' already" in done.stderr
    assert made.checkout.files() == before


@pytest.mark.parametrize("words", [[], ["NAME=Fax"], ["NAME=import"], ["NAME=../fax2"]])
def test_a_bad_name_is_refused_in_one_line(made: Made, words: list[str]) -> None:
    """The refusal says how a name looks, and nothing is written."""
    before = made.checkout.files()
    done = made.checkout.make_room(*words)
    ours = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    [line] = ours
    assert re.fullmatch(r"mentalspace: '.*' is no name for a room; write it like prior_auth", line)
    assert made.checkout.files() == before


# Checking it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", "--no-cache", FAX],
        ["ruff", "format", "--check", "--no-cache", FAX],
        ["mypy", FAX],
    ],
    ids=" ".join,
)
def test_the_tools_are_content(made: Made, words: list[str]) -> None:
    """Linter, formatter and strict types have nothing to say of the room."""
    made.checkout.python("-m", *words)


def test_the_import_rules_hold(made: Made) -> None:
    """The contracts hold without naming the room, and see it: a wrong import breaks one."""
    lint = str(Path(sys.executable).with_name("lint-imports"))
    made.checkout.must(lint, "--no-cache")
    sandbox = made.checkout.path / FAX / "faxco/sandbox.py"
    text = sandbox.read_text()
    wrong = "from mentalspace.integrations.fax.faxco import wire  # noqa: F401\n"
    try:
        sandbox.write_text(text.replace("import hashlib\n", f"import hashlib\n{wrong}"))
        done = made.checkout.run(lint, "--no-cache")
    finally:
        sandbox.write_text(text)
    assert done.returncode != 0
    assert "mentalspace.integrations.fax.faxco.sandbox" in done.stdout


def test_the_runbook_holds(made: Made) -> None:
    """The room's cases, alert and drills are read and found whole."""
    command = ("-m", "mentalspace", "runbook")
    assert "hold, 0 warnings" in made.checkout.python(*command, "check")
    listed = made.checkout.python(*command, "list")
    for page in ("fax.invalid_recipient", "fax.unknown_failure", "fax/no_answer"):
        assert page in listed


def test_the_house_rules_and_its_own_tests_hold(made: Made) -> None:
    """The rules of the house apply to it, and the tests that came with it pass."""
    told = made.checkout.python(
        *("-m", "pytest", "-vv", "-p", "no:cacheprovider", "tests/test_house.py", f"{FAX}tests")
    )
    for test in (
        "test_a_room_is_built_to_plan[fax]",
        "test_a_provider_is_built_to_plan[fax-faxco]",
        "test_a_case_is_drilled[fax.invalid_recipient]",
        "test_one_key_sends_once",
    ):
        assert f"{test} PASSED" in told, test


def test_the_documentation_names_it(made: Made, tmp_path: Path) -> None:
    """`make docs` writes it into the reference, touches nothing else, and the pages then hold."""
    twin = check_out(tmp_path, of=made.checkout.path)
    before = twin.files()
    twin.python("docs/generate.py")
    after = twin.files()
    assert all(name.startswith("docs/") for name in after if after[name] != before.get(name))
    for page, name in (
        ("error-cases.md", "fax.invalid_recipient"),
        ("alerts.md", "fax.unknown_failure"),
        ("drills.md", "fax/no_answer"),
        ("metrics.md", "fax.delivery_rate"),
        ("settings.md", "FAXCO_API_KEY"),
        ("http.md", "GET /v1/fax/pages"),
    ):
        assert f"`{name}`" in (twin.path / "docs/reference" / page).read_text(), page
    twin.python(
        *("-m", "pytest", "-p", "no:cacheprovider", "-m", "not database"),
        *("-k", "fax or reference or up_to_date"),  # the others are of what stood there before
        *("tests/test_docs.py", "tests/test_seed_coverage.py"),
    )


# Running it ---------------------------------------------------------------------------------------


def test_the_sandbox_plays_it_without_the_engine(made: Made, tmp_path: Path) -> None:
    """Its provider answers at /fax/faxco, and nothing of the floors above is even loaded."""
    answer = json.loads(made.checkout.python("-c", _PLAY, str(tmp_path)))
    assert (answer["http"], answer["body"]["code"]) == (401, "invalid_key")
    assert answer["upstairs"] == []


def test_its_table_joins_an_older_database(seen: dict[str, Any]) -> None:
    """Its migration is applied beside the others' and stands on the engine's tables."""
    assert "fax_0001" in seen["migrations"]["applied"]
    assert seen["migrations"]["refers_to"] == "practice"


def test_the_demo_has_credentials_and_lanes_for_it(seen: dict[str, Any]) -> None:
    """Each demo practice has an account at the sandbox, with a lane of each class."""
    played = {f"{p['room']}/{p['provider']}": p["address"] for p in seen["providers"]}
    assert played["fax/faxco"] == "/fax/faxco"
    assert [row["endpoint"] for row in seen["credentials"]] == ["default", "mesa"]
    for row in seen["credentials"]:
        assert not row["live"]
        assert row["base_url"].endswith("/fax/faxco")
        assert row["lanes"] == ["bulk", "interactive"]


def test_a_message_goes_out_and_its_webhook_comes_back(seen: dict[str, Any]) -> None:
    """What is put into the ledger is sent once, and the provider's signed event delivers it."""
    delivery = seen["delivery"]
    assert delivery["timeline"][:3] == ["delivery_created", "attempt_opened", "accepted"]
    assert "provider_event" in delivery["timeline"]
    [accepted] = delivery["accepted"]
    assert accepted["content"]["to"] == "+1-555-0134"
    assert delivery["hooks"][accepted["account"]].endswith("/v1/hooks/fax/default")
    assert delivery["inbox"] == [["default", "processed"]]


def test_the_api_offers_its_route(seen: dict[str, Any]) -> None:
    """Its route answers and stands in the description, whose references all lead somewhere."""
    assert seen["api"]["route"] == {"most": 200}
    document = seen["api"]["document"]
    assert document["paths"]["/v1/fax/pages"]["get"]["tags"] == ["fax"]
    named = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()


def test_the_console_shows_it(seen: dict[str, Any]) -> None:
    """The fleet has a card of each of its credentials; runbook and drills list what it brought."""
    pages = seen["console"]
    cards = re.findall(r"<h3 id=\"card-[^>]*>Fax <span class=\"quiet\">Faxco</span>", pages["/"])
    assert len(cards) == 2
    assert 'href="/runbook/fax.invalid_recipient"' in pages["/runbook"]
    assert 'value="fax/no_answer"' in pages["/drills"]


def test_the_doctor_asks_its_provider(seen: dict[str, Any]) -> None:
    """Each of its credentials is tried at the provider, and found good."""
    asked = [(subject, state) for subject, check, state in seen["doctor"] if check == "provider"]
    assert asked == [("faxco/default", "good"), ("faxco/mesa", "good")]


def test_its_drills_pass_and_its_alerts_fire(seen: dict[str, Any]) -> None:
    """Each drill shows what it promises; each rule of its overview opens its drill's incident."""
    assert {drill["id"] for drill in seen["drills"]} == {
        "fax/invalid_recipient",
        "fax/no_agreement",
        "fax/no_answer",
        "fax/unknown_error",
    }
    for drill in seen["drills"]:
        assert drill["passed"], f"{drill['id']}: {json.dumps(drill['observed'], indent=1)}"
    assert sorted(seen["incidents"]) == [
        ["fax.agreement_missing", True],
        ["fax.unknown_failure", True],
    ]


# And nothing else ---------------------------------------------------------------------------------


def test_no_other_file_was_touched(made: Made) -> None:
    """After all of the above every file of the project is as it was, and the new ones are its."""
    now = made.checkout.files()
    assert {name: now.get(name) for name in made.before} == made.before
    assert all(name.startswith(FAX) for name in now.keys() - made.before.keys())
    assert not (ROOT / FAX).exists()
