"""The runbook as data: read, overlaid, checked, rendered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.engine.runbook import (
    Problem,
    RoomRunbook,
    Runbooks,
    case_html,
    check,
    issue_html,
    load_room,
    load_runbooks,
    markdown_html,
    read_runbooks,
    to_text,
)
from mentalspace.engine.runbook.case import parse_case
from mentalspace.engine.runbook.read import parse_toml, split_head
from mentalspace.engine.steps import ENGINE_ACTIONS
from mentalspace.engine.suppression import SUPPRESSING
from mentalspace.kernel.case import Disposition, Severity, classify
from mentalspace.kernel.errors import Evidence, RunbookError
from mentalspace.kernel.integration import Integration

TODAY = date(2026, 11, 23)
STEPS = frozenset(
    {*ENGINE_ACTIONS, *SUPPRESSING, "open_task", "fall_back", "mark_landline", "name_wording"}
)

DATES = 'owner = "someone"\nreviewed = 2026-11-01\nnext_review = 2027-02-01\n'
BUSY = f"""+++
id = "fax.busy"
title = "The line is busy"
match = {{ http = 486 }}
severity = "low"
disposition = "retry"
fault = "theirs"
steps = [{{ do = "note", text = "busy" }}]
drill = "busy"
source = "https://example.org/busy"
version = 1
{DATES}+++
It is busy. Wait.
"""
UNMATCHED = f"""+++
id = "fax.unmatched"
title = "Unknown"
severity = "high"
disposition = "human"
fault = "ours"
drill = "unknown"
source = "own: a person decides"
version = 1
{DATES}+++
Look at it.
"""
OVERVIEW = f"""title = "Fax"
provider = "Acme"
purpose = "p"
sla = "s"
cost = "c"
edge_function = "e"
authentication = "a"
version = "1.0"
{DATES}
[[metric]]
id = "fax.rate"
title = "Rate"
unit = "ratio"
op = ">"
target = 0.9

[[alert]]
id = "fax.busy_line"
title = "Busy"
kind = "case"
threshold = 1
cases = ["fax.busy"]
severity = "low"
action = "Wait"
drill = "busy"
"""
MEASURED = OVERVIEW.replace("target = 0.9", 'target = 0.9\nmeasure = "delivery_rate"')
RATE = """
[[alert]]
id = "fax.low"
title = "Low"
kind = "rate"
metric = "fax.rate"
op = "<"
threshold = 0.8
severity = "low"
action = "Look"
drill = "busy"
"""
DRILL = """title = "Busy"
cases = ["fax.busy"]

[[act]]
do = "send"
to = "someone"

[expect]
case = "fax.busy"
alert = "fax.busy_line"
"""
UNKNOWN = """title = "Unknown"
cases = ["fax.unmatched"]
[[act]]
do = "send"
[expect]
case = "fax.unmatched"
"""
FILES = {
    "acme/errors/busy.md": BUSY,
    "errors/unmatched.md": UNMATCHED,
    "runbook/overview.toml": OVERVIEW,
    "runbook/drills/busy.toml": DRILL,
    "runbook/drills/unknown.toml": UNKNOWN,
}
_numbers = count()

Room = Callable[[dict[str, str]], str]


@pytest.fixture
def fax(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """Writes a toy room, some of its files replaced, and gives its package's name."""

    def write(changes: dict[str, str]) -> str:
        house = f"toy_house_{next(_numbers)}"
        folder = tmp_path / house / "fax"
        for name, text in {**FILES, "__init__.py": "", **changes}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        (tmp_path / house / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        return f"{house}.fax"

    return write


@pytest.fixture(scope="module")
def email() -> RoomRunbook:
    return load_room("mentalspace.integrations.email", ["resend", "smtp"], None)


def together(*rooms: RoomRunbook) -> Runbooks:
    return Runbooks(rooms, load_runbooks([], None).escalation)


def problems(package: str, overlay: Path | None = None) -> list[Problem]:
    room = load_room(package, ["acme"], overlay)
    return check(together(room), today=TODAY, known_steps=STEPS)


def overlay_file(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


# Reading -----------------------------------------------------------------------------------------


def test_a_sound_room_has_no_problems(fax: Room) -> None:
    """The toy room, on which the other tests work, passes the check."""
    assert problems(fax({})) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('severity = "low"', 'severity = "lowish"', 5, "critical, high, medium, low"),
        ('severity = "low"', "severity = low", 5, "not TOML"),
        ("version = 1", "version = 1\nversion = 2", None, "not TOML"),
        ("drill = ", "dril = ", 9, "did you mean 'drill'"),
        ('title = "The line is busy"\n', "", None, "'title' is missing"),
        ("reviewed = 2026-11-01", 'reviewed = "2026-11-01"', 13, "a date without quotes"),
        ("http = 486", "http = 4860", 4, "use 100 to 599"),
        ("http = 486", 'kind = "busy"', 4, "timeout"),
        ("http = 486", 'message = "(a+)+b"', 4, "a repeat inside a repeat"),
        ("http = 486", 'message = "(a"', 4, "not a regular expression"),
        ("http = 486", "http = 486, reply = 486", 4, "keep one of them"),
        ("http = 486", "", 4, "give kind, http, code or message"),
        ('text = "busy"', "text = 3", 8, "put it in quotes"),
        ("version = 1", "version = true", 11, "a whole number"),
    ],
)
def test_a_mistake_names_file_line_and_cure(
    fax: Room, old: str, new: str, line: int | None, words: str
) -> None:
    """Whatever is wrong in a case file, the message says where it is and what to write."""
    with pytest.raises(RunbookError) as raised:
        load_room(fax({"acme/errors/busy.md": BUSY.replace(old, new)}), ["acme"], None)
    assert words in str(raised.value)
    assert (f"busy.md:{line}: " if line else "busy.md") in str(raised.value)
    assert ";" in str(raised.value)


def test_all_mistakes_are_reported_at_once(fax: Room) -> None:
    """Two wrong files give two lines, so that one reading is enough to correct both."""
    package = fax(
        {
            "acme/errors/busy.md": BUSY.replace('"retry"', '"again"'),
            "runbook/drills/busy.toml": DRILL.replace('do = "send"', 'do = "shout"'),
        }
    )
    with pytest.raises(RunbookError) as raised:
        load_room(package, ["acme"], None)
    first, second = str(raised.value).splitlines()
    assert "retry, wait, refuse, reconcile, human" in first
    assert "busy.toml:5: " in second
    assert "'shout'" in second


@pytest.mark.parametrize("text", ["", "no head", "+++\nid = 'fax.x'\n"])
def test_a_page_without_a_closed_head_is_refused(fax: Room, text: str) -> None:
    """A Markdown file without head, or with one that never ends, says how to write it."""
    with pytest.raises(RunbookError, match=r"busy\.md:1: .*\+\+\+"):
        load_room(fax({"acme/errors/busy.md": text}), ["acme"], None)


def test_a_room_without_overview_is_refused(fax: Room, tmp_path: Path) -> None:
    """A room whose overview.toml is missing cannot be loaded, and the message says so."""
    package = fax({})
    (tmp_path / package.replace(".", "/") / "runbook/overview.toml").unlink()
    with pytest.raises(RunbookError, match="overview is missing"):
        load_room(package, ["acme"], None)


@given(st.text(st.sampled_from('+\n"=[]{}#id.match steps1-é'), max_size=60))
def test_any_text_gives_a_case_or_a_problem(text: str) -> None:
    """However broken a file is, reading it reports a problem and raises nothing."""
    found: list[Problem] = []
    parts = split_head(Path("x.md"), "+++\n" + text + "\n+++\n", found)
    head = parse_toml(parts[0], found) if parts else None
    case = (
        parse_case(
            head,
            parts[0],
            parts[1],
            integration="fax",
            provider=None,
            overlaid=False,
            problems=found,
        )
        if parts and head is not None
        else None
    )
    assert case is None
    assert all(problem.cure for problem in found)
    assert found


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ('check = "guess"', "unknown check 'guess'"),
        ("", "give either sql or check"),
        ('check = "provider"\nsql = "select 1"', "give either sql or check"),
    ],
)
def test_a_diagnosis_must_run(fax: Room, run: str, words: str) -> None:
    """A diagnosis names one query or one known check, or it is refused."""
    issue = (
        '+++\nid = "fax.slow"\ntitle = "Slow"\nsymptoms = "s"\nresolution = "r"\n'
        f'prevention = "p"\nversion = 1\n{DATES}[[diagnosis]]\ntitle = "Look"\n{run}\n+++\n'
    )
    with pytest.raises(RunbookError, match=rf"slow\.md:1[1-4]: .*{words}"):
        load_room(fax({"runbook/issues/slow.md": issue}), ["acme"], None)


# Checking ----------------------------------------------------------------------------------------

LOUD = BUSY.replace("fax.busy", "fax.loud")
STOPS = BUSY.replace('"retry"', '"wait"').replace('"theirs"', '"ours"')
TOLD = 'now = "Call {name}."\n'


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"errors/unmatched.md": UNMATCHED.replace(".unmatched", ".odd")}, "no unmatched case"),
        ({"acme/errors/loud.md": LOUD}, "may match the same failure equally well"),
        ({"acme/errors/again.md": BUSY}, "used 2 times"),
        ({"acme/errors/busy.md": BUSY.replace('"fax.busy"', '"sms.busy"')}, "bad id 'sms.busy'"),
        ({"acme/errors/busy.md": BUSY.replace('drill = "busy"\n', "")}, "has no drill"),
        ({"acme/errors/busy.md": BUSY.replace('"busy"\nsource', '"no"\nsource')}, "called 'no'"),
        ({"acme/errors/busy.md": BUSY.replace('"note"', '"sing"')}, "unknown step 'sing'"),
        ({"acme/errors/busy.md": BUSY.replace("https://example.org/busy", "x")}, "no source"),
        ({"acme/errors/busy.md": BUSY.replace("It is busy. Wait.\n", "")}, "no prose"),
        ({"acme/errors/busy.md": BUSY.replace("2027-02-01", "2026-10-01")}, "not after the last"),
        ({"acme/errors/busy.md": STOPS}, "does not say what to do"),
        ({"acme/errors/busy.md": STOPS.replace("drill", TOLD + "drill")}, "names {name} in now"),
        ({"runbook/overview.toml": OVERVIEW + 'press = "reboot"'}, "no button 'reboot' to press"),
        ({"runbook/overview.toml": OVERVIEW.replace('"case"', '"absence"')}, "no case behind it"),
        ({"runbook/drills/busy.toml": DRILL.split("[expect]")[0]}, "expects nothing"),
        ({"runbook/drills/busy.toml": DRILL.split("[[act]]")[0]}, "does nothing"),
        (
            {"runbook/drills/busy.toml": DRILL.replace("fax.busy_line", "fax.x")},
            "fired by no drill",
        ),
        ({"runbook/drills/busy.toml": DRILL.replace('cases = ["fax.busy"]', "")}, "does not prove"),
        ({"runbook/drills/unknown.toml": UNKNOWN.replace("fax.", "fax.x")}, "does not exist"),
        ({"runbook/overview.toml": OVERVIEW.replace('drill = "busy"', "")}, "fired by no drill"),
        ({"runbook/overview.toml": OVERVIEW.replace('"case"', '"rate"')}, "watches no metric"),
        ({"runbook/overview.toml": OVERVIEW.replace("threshold = 1", "")}, "no threshold"),
        ({"runbook/overview.toml": OVERVIEW + RATE}, "watches a metric that is no share"),
        (
            {"runbook/overview.toml": MEASURED + RATE.replace('op = "<"', 'op = ">"')},
            "fires on the good side of fax.rate",
        ),
        ({"runbook/overview.toml": MEASURED.replace("0.9", "98")}, "between 0 and 1"),
        ({"runbook/overview.toml": MEASURED + 'issue = "fax.none"'}, "no issue 'fax.none'"),
        (
            {"runbook/overview.toml": MEASURED.replace("delivery_rate", "event_rate")},
            "its events do not fit its measure",
        ),
    ],
)
def test_the_check_finds(fax: Room, changes: dict[str, str], words: str) -> None:
    """Each promise a runbook makes is checked, and the error carries a file and a cure."""
    found = [str(p) for p in problems(fax(changes)) if p.severity == "error"]
    assert any(words in text for text in found), found
    assert all(("fax/" in text or "fax:" in text) and ";" in text for text in found)


def test_a_reply_is_no_http_answer(fax: Room) -> None:
    """A number given as a reply's is matched in another protocol, never in HTTP."""
    busy = BUSY.replace("http = 486", "reply = 486")
    [case] = [
        c for c in load_room(fax({"acme/errors/busy.md": busy}), ["acme"], None).cases if c.match
    ]
    assert case.match[0].accepts(Evidence("reply", http=486))
    assert not case.match[0].accepts(Evidence("http", http=486))


def test_a_drill_names_a_provider_of_its_room(fax: Room) -> None:
    """One that is not there is a mistake of the file, found before anybody runs it."""
    drill = {"runbook/drills/busy.toml": f'provider = "bell"\n{DRILL}'}
    with pytest.raises(RunbookError, match="no provider 'bell'"):
        load_room(fax(drill), ["acme"], None)


def test_narrower_patterns_may_share_an_answer(fax: Room) -> None:
    """A case that adds a code to another's status is no ambiguity."""
    loud = LOUD.replace("http = 486", 'http = 486, code = "loud"')
    texts = [p.text for p in problems(fax({"acme/errors/loud.md": loud}))]
    assert not any("equally well" in text for text in texts)


def test_an_overdue_review_is_flagged_and_no_error(fax: Room) -> None:
    """A review past its day is a warning at the line of next_review, and nothing worse."""
    changes = {"acme/errors/busy.md": BUSY.replace("2027-02-01", "2026-11-22")}
    (problem,) = problems(fax(changes))
    assert (problem.severity, problem.line, problem.path.name) == ("warning", 14, "busy.md")


# Overlay -----------------------------------------------------------------------------------------


def test_an_overlay_changes_what_happens(fax: Room, tmp_path: Path) -> None:
    """A deployment's file turns a retry into a refusal and leaves the rest as it was."""
    text = '+++\nid = "fax.busy"\ndisposition = "refuse"\nversion = 7\n+++\n'
    overlay = overlay_file(tmp_path / "mine", "fax/acme/errors/busy.md", text)
    evidence, package = Evidence("http", http=486), fax({})
    before = classify(load_room(package, ["acme"], None).cases_for("acme"), evidence)
    after = classify(load_room(package, ["acme"], overlay).cases_for("acme"), evidence)
    assert (before.disposition, before.version) == (Disposition.RETRY, 1)
    assert (after.disposition, after.version) == (Disposition.REFUSE, 7)
    assert (before.overlaid, after.overlaid) == (False, True)
    assert (after.body, after.steps, after.provider) == (before.body, before.steps, "acme")
    assert "changed by this deployment" in to_text(after)
    assert problems(package, overlay) == []


def test_an_overlay_may_replace_the_prose(fax: Room, tmp_path: Path) -> None:
    """Prose under an overlay's head takes the place of the original."""
    text = '+++\nid = "fax.unmatched"\nversion = 2\n+++\nCall Ada.\n'
    overlay = overlay_file(tmp_path / "mine", "fax/errors/unmatched.md", text)
    room = load_room(fax({}), ["acme"], overlay)
    assert together(room).case("fax.unmatched").body == "Call Ada."


def test_an_overlay_adds_a_case(fax: Room, tmp_path: Path) -> None:
    """An id the room does not have is a new case of that provider."""
    loud = LOUD.replace("486", "487")
    overlay = overlay_file(tmp_path / "mine", "fax/acme/errors/loud.md", loud)
    room = load_room(fax({}), ["acme"], overlay)
    case = classify(room.cases_for("acme"), Evidence("http", http=487))
    assert (case.id, case.overlaid, case.provider) == ("fax.loud", True, "acme")


def test_an_overlay_names_its_version(fax: Room, tmp_path: Path) -> None:
    """An overlay without a version is refused: a timeline could not say which one acted."""
    text = '+++\nid = "fax.busy"\ndisposition = "refuse"\n+++\n'
    overlay = overlay_file(tmp_path / "mine", "fax/acme/errors/busy.md", text)
    with pytest.raises(RunbookError, match="an overlay without version"):
        load_room(fax({}), ["acme"], overlay)


def test_a_misspelt_overlay_folder_is_refused(fax: Room, tmp_path: Path) -> None:
    """A folder that is no room, or no provider, is reported instead of ignored."""
    package = fax({})
    overlay_file(tmp_path / "mine", "fax/acmee/errors/busy.md", BUSY)
    overlay = overlay_file(tmp_path / "mine", "facs/acme/errors/busy.md", BUSY)
    rooms = [Integration(name="fax", title="Fax", package=package, providers=())]
    _runbooks, found = read_runbooks(rooms, overlay)
    texts = [str(problem) for problem in found]
    assert any("acmee" in text and "no such provider" in text for text in texts)
    assert any("facs" in text and "one of fax" in text for text in texts)


# Pages -------------------------------------------------------------------------------------------


def test_prose_cannot_bring_html_into_a_page(fax: Room) -> None:
    """Tags, scripts, script addresses and images in a case do not reach the page as such."""
    evil = "<script>alert(1)</script> [x](javascript:alert(1)) ![y](https://example.org/y.png)"
    changes = BUSY.replace("The line is busy", "<b>busy</b>") + evil
    room = load_room(fax({"acme/errors/busy.md": changes}), ["acme"], None)
    html = case_html(together(room).case("fax.busy"))
    for tag in ("<script", "<b>", 'href="javascript', "<img"):
        assert tag not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;busy&lt;/b&gt;" in html


def test_prose_keeps_its_form() -> None:
    """Headings move below the page's own, and tables and lists come out as such."""
    html = markdown_html("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n1. one\n")
    for part in ("<h2>A</h2>", "<table>", "<td>2</td>", "<ol>"):
        assert part in html


def test_a_case_page_says_what_to_know(email: RoomRunbook) -> None:
    """Page and terminal both name id, disposition, drill, review and the prose."""
    case = together(email).case("email.unauthorized")
    for shown in (case_html(case), to_text(case)):
        for part in (case.id, "wait", "email/invalid_api_key", "2027-02-23", "RESEND_API_KEY"):
            assert part in shown


def test_an_issue_page_shows_the_query_as_it_runs(email: RoomRunbook) -> None:
    """Comparison signs and quotes in a query are escaped, its parts are in the seed's order."""
    (issue,) = (i for i in email.issues if i.id == "email.emails_not_delivered")
    html = issue_html(issue)
    assert "sent_at &gt; NOW() - INTERVAL &#x27;24 hours&#x27;" in html
    places = [html.index(f"<h3>{t}</h3>") for t in ("Symptoms", "Diagnosis", "Resolution")]
    assert places == sorted(places)


# What stands in the house ------------------------------------------------------------------------


def test_the_email_runbook_passes_its_check(email: RoomRunbook) -> None:
    """Every case, alert and drill of the email room holds what it promises."""
    assert check(together(email), today=TODAY, known_steps=STEPS) == []


def test_the_escalation_matrix_is_the_seeds() -> None:
    """Each severity pages whom the seed names, with its response time and action."""
    matrix = load_runbooks([], None).escalation
    assert matrix.version == "1.2"
    told = [
        (s.value, r.ack_within_s, r.contacts, r.actions) for s in Severity for r in [matrix.rung(s)]
    ]
    assert told == [
        ("critical", 0, ("oncall", "cto"), "All-hands emergency response"),
        ("high", 1800, ("oncall",), "Investigate, fix, or rollback"),
        ("medium", 7200, ("assigned",), "Schedule fix in next sprint"),
        ("low", 86400, ("tickets",), "Fix during normal sprint"),
    ]
