"""The report of a game day as a document: a summary for whoever audits it, then a page a drill."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from mentalspace.engine.document import (
    Bar,
    Bars,
    Blank,
    Block,
    Document,
    Facts,
    Heading,
    Items,
    NewPage,
    Paragraph,
    Table,
)
from mentalspace.workflows.game_day.day import Day, Record, spread
from mentalspace.workflows.game_day.promise import compare

FIT_FOR = (
    "This report records a test of the procedures by which messages to clients are kept going, or "
    "brought back, when a provider, a credential or a message fails. It is made to be kept with "
    "the records of the periodic testing and revision of contingency plans (45 CFR "
    "164.308(a)(7)(ii)(D)) and with the documentation that 45 CFR 164.316(b) asks for."
)
NOT_FIT_FOR = (
    "It does not show that data can be restored from a backup, that a site can move, or that "
    "people know what to do when this system is away as a whole: those need tests of their own. It "
    "was held in a demonstration installation against simulated providers, written from the "
    "providers’ documentation. No client was written to and nothing in it is about a client."
)
COUNSEL = (
    "Whether it suffices for your organisation is for your security official to judge and for your "
    "counsel to confirm."
)
DETECTED = (
    "Time to detect runs from the moment the fault stood until the runbook’s case was recognised "
    "and, where an alarm is promised, its page had gone out. Time to recover runs from the moment "
    "the cause was taken away until everything promised of the recovery was seen. A drill that "
    "shows that nothing happens has neither."
)
_STEPS: Mapping[str, str] = {
    "steady_before": "Steady state before",
    "inject": "Injected",
    "act": "Done",
    "expected": "Expected",
    "observed": "Observed",
    "rollback": "Rolled back",
    "recovered": "Recovered",
    "after": "Steady state after",
}
_OUTCOME = {"passed": "passed", "failed": "FAILED", "interrupted": "interrupted"}


def paper(day: Day, rooms: Mapping[str, str] | None = None) -> Document:
    """`rooms` are their titles, by name."""
    blocks: list[Block] = [
        *_summary(day),
        *_by_room(day, rooms or {}),
        *_failures(day),
        *_background(day),
        *_system(day),
        *_chain(day),
        *_signatures(),
        *_index(day),
    ]
    for run in sorted(day.runs, key=lambda run: str(run["drill"])):
        blocks += _drill(day, run)
    end = f" to {_moment(day.ended_at)}" if day.ended_at else ", not ended"
    made = (
        f"Held {_moment(day.began_at)}{end} by {day.opened['actor']}. MentalSpace "
        f"{day.opened['system']['version']}. All times are UTC, by the system’s own clock."
    )
    return Document(f"Game day {day.id}: test of the contingency procedures", made, tuple(blocks))


def verdict(day: Day) -> str:
    """One sentence, which is the first that an auditor reads."""
    planned = len(day.opened["planned"])
    if day.all_well:
        return (
            f"All {planned} planned drills ran and held; of the ordinary traffic meanwhile nothing "
            "was lost, doubled or alarmed of."
        )
    parts = [f"{len(day.passed)} of {planned} planned drills ran and held"]
    for number, text in (
        (len(day.failed), "failed"),
        (len(day.interrupted), "interrupted"),
        (len(day.not_run), "not run"),
    ):
        if number:
            parts.append(f"{number} {text}")
    if day.closed is not None and not day.closed.get("background", {}).get("untouched", True):
        parts.append("ordinary traffic was lost, doubled, late or alarmed of")
    return f"{'; '.join(parts)}."


def _summary(day: Day) -> Iterator[Block]:
    yield Heading("Summary")
    yield Paragraph(verdict(day))
    detect = spread([run["time_to_detect_s"] for run in day.runs])
    recover = spread([run["time_to_recover_s"] for run in day.runs])
    cases = {case for run in day.passed for case in run["proved"]}
    facts = [
        ("Planned, ran, held", f"{len(day.opened['planned'])}, {len(day.runs)}, {len(day.passed)}"),
        ("Failed, interrupted, not run",
         f"{len(day.failed)}, {len(day.interrupted)}, {len(day.not_run)}"),
        ("Error cases and alarm rules proven to fire", str(len(cases))),
        ("Time to detect", _spread_text(detect)),
        ("Time to recover", _spread_text(recover)),
        ("Lasted", _seconds(day.lasted_s)),
    ]  # fmt: skip
    if early := (day.closed or {}).get("ended_early"):
        facts.append(("Ended early", str(early)))
    yield Facts(tuple(facts))
    yield Paragraph(DETECTED)
    yield Heading("What this is evidence of", 3)
    yield Paragraph(FIT_FOR)
    yield Paragraph(NOT_FIT_FOR)
    yield Paragraph(COUNSEL)


def _by_room(day: Day, rooms: Mapping[str, str]) -> Iterator[Block]:
    yield Heading("Results by room")
    names = list(dict.fromkeys(drill["room"] for drill in day.opened["planned"]))
    rows = []
    for name in names:
        planned = [drill for drill in day.opened["planned"] if drill["room"] == name]
        runs = [run for run in day.runs if run["room"] == name]
        detect = spread([run["time_to_detect_s"] for run in runs])
        recover = spread([run["time_to_recover_s"] for run in runs])
        rows.append(
            (
                rooms.get(name, name.capitalize()),
                str(len(planned)),
                str(sum(run["outcome"] == "passed" for run in runs)),
                str(sum(run["outcome"] == "failed" for run in runs)),
                str(len(planned) - len(runs)),
                _median_and_max(detect),
                _median_and_max(recover),
            )
        )
    columns = (
        "Room", "Planned", "Held", "Failed", "Not run", "Time to detect", "Time to recover",
    )  # fmt: skip
    yield Table("Times are the median and the longest", columns, tuple(rows))


def _failures(day: Day) -> Iterator[Block]:
    yield Heading("What did not hold, and its remedy")
    if not (day.failed or day.interrupted or day.not_run):
        yield Paragraph("Everything held.")
        return
    for run in (*day.failed, *day.interrupted):
        word = "failed" if run["outcome"] == "failed" else "was interrupted"
        yield Heading(f"{run['drill']} {word}", 3)
        yield Paragraph(f"{run['title']}. Did not hold: {'; '.join(run['missing'])}.")
        if run["outcome"] == "failed":
            pages = ", ".join(name for name in run["revision"] if name != run["drill"])
            yield Paragraph(
                f"Compare the observed with the runbook ({pages or 'the drill itself'}), mend the "
                f"one that is wrong, then run it again: mentalspace drill {run['drill']}"
            )
            yield Blank("Cause, remedy, who, until when", 2)
    if day.not_run:
        yield Paragraph(f"Not run: {', '.join(day.not_run)}.")


def _background(day: Day) -> Iterator[Block]:
    closed = day.closed or {}
    fared = closed.get("background")
    if not fared:
        return
    yield Heading("Background traffic and indicators")
    if not fared["per_minute"]:
        yield Paragraph("It was held without background traffic.")
    else:
        yield Paragraph(
            "While faults were injected, an ordinary practice with ordinary credentials went on "
            "sending. A drill may neither delay, lose nor double its messages."
        )
        waited = fared["waited_s"]
        late = ", ".join(f"{waited[each]:.2f} s" for each in ("median", "p95", "max") if waited)
        yield Facts(
            (
                ("Messages a minute", f"{fared['per_minute']:g}"),
                ("Sent, arrived", f"{fared['sent']}, {fared['arrived']}"),
                ("Lost", str(fared["lost"])),
                ("Not arrived when it was closed", str(fared["under_way"])),
                ("Arrived twice", str(fared["twice"])),
                ("Tries that failed; incidents opened",
                 f"{fared['failed_tries']}; {fared['incidents']}"),
                ("Those that arrived waited until the provider had it: median, 95 of 100, longest",
                 late or "none arrived"),
                ("Cases that those tries met", ", ".join(fared.get("cases", ())) or "none"),
                (
                    "Nothing lost, doubled, left waiting or alarmed of",
                    "yes" if fared["untouched"] else "NO",
                ),
            )
        )  # fmt: skip
    yield Table(
        "Messages that providers took meanwhile: drills’ own stay out of the indicators",
        ("Room", "Ordinary, by the ledger", "Counted by the indicators", "Of drills", "Kept apart"),
        tuple(
            (
                room,
                str(one["ordinary"]),
                str(one["counted"]),
                str(one["of_drills"]),
                "yes" if one["kept_apart"] else "NO",
            )
            for room, one in closed["indicators"].items()
        ),
    )


def _system(day: Day) -> Iterator[Block]:
    system, clock, before = day.opened["system"], day.opened["clock"], day.opened["before"]
    yield Heading("System under test")
    yield Facts(
        (
            ("MentalSpace", str(system["version"])),
            ("Database", f"PostgreSQL {system['postgres']}, tables {system['database'][:16]}"),
            ("Python", str(system["python"])),
            ("Installation", f"{system['mode']}, on host {system['host']}"),
            ("Runbook revision", str(day.opened["runbook"])),
            ("Clock", f"{clock['house']}, {clock['ahead_s']:g} s ahead of the host’s"),
            ("Drills at once", str(day.opened["at_once"])),
            ("Game day before it", f"{before['id']}, {before['hash']}" if before else "none"),
        )
    )


def _chain(day: Day) -> Iterator[Block]:
    yield Heading("Evidence")
    yield Paragraph(
        "Each drill was written into an append-only chain as it ended. Every entry carries the "
        "SHA-256 of the one before it and of its own record, so that none can be changed, taken "
        "out or put between without the last one telling. The JSON that comes with this report "
        "holds all of it; `mentalspace drill verify` with that file says what was altered."
    )
    found = day.flaws
    said = "whole" if not found else "; ".join(f"entry {flaw.seq}: {flaw.text}" for flaw in found)
    yield Facts(
        (
            ("Entries", str(len(day.entries))),
            ("First entry", day.entries[0].hash),
            ("Last entry", day.head),
            ("When this was written the chain was", said),
        )
    )


def _signatures() -> Iterator[Block]:
    yield NewPage()
    yield Heading("Signed off")
    yield Blank("Tested by (name, date, signature)", 1)
    yield Blank("Reviewed by the security official (name, date, signature)", 1)
    yield Blank("Changes to the contingency plan that follow from this test", 3)


def _index(day: Day) -> Iterator[Block]:
    yield Heading("The drills")
    rows = tuple(
        (
            str(run["drill"]),
            _OUTCOME[run["outcome"]],
            _short(run["time_to_detect_s"]),
            _short(run["time_to_recover_s"]),
            ", ".join(run["proved"]) or "–",
        )
        for run in sorted(day.runs, key=lambda run: str(run["drill"]))
    )
    yield Table(
        "Each has a page below",
        ("Drill", "Outcome", "Detected", "Recovered", "Proven to fire"),
        rows,
    )


def _drill(day: Day, run: Record) -> Iterator[Block]:
    yield NewPage()
    yield Heading(str(run["drill"]))
    yield Paragraph(str(run["title"]))
    entry = day.entry_of(str(run["run"]))
    fired = run["fired"]
    facts = [
        ("Outcome", _OUTCOME[run["outcome"]]),
        ("Provider played", str(run["provider"] or "none: the console itself")),
        ("Began, took", f"{_clock(run['began_at'])}, {_seconds(run['seconds'])}"),
        ("Fault stood at", _clock(run["injected_at"])),
        ("Detected", _instant(run["detected_at"], run["time_to_detect_s"])),
        ("Cause taken away at", _clock(run["healed_at"])),
        ("Recovered", _instant(run["recovered_at"], run["time_to_recover_s"])),
        ("Cases met", ", ".join(fired["cases"]) or "none"),
        ("Alarm rules fired", ", ".join(fired["rules"]) or "none"),
        ("Proven to fire", ", ".join(run["proved"]) or "–"),
        ("Runbook", "; ".join(f"{name} {digest[:12]}" for name, digest in run["revision"].items())),
        ("Evidence", f"entry {entry.seq}, {entry.hash}" if entry else "none"),
    ]
    yield Facts(tuple(facts))
    if bars := _bars(run):
        yield Bars("Its time, in parts", bars)
    rows = tuple(
        (each.name, each.stage, each.expected, each.observed, _held(each.met))
        for each in compare(run["expected"], run["observed"])
    )
    if rows:
        columns = ("What", "When", "Expected", "Observed", "Held")
        yield Table("Expected and observed", columns, rows)
    steps = tuple(
        (
            _clock(step["at"]),
            f"{_STEPS[step['step']]}: {step['text']}",
            _held(step["held"]) if "held" in step else "",
        )
        for step in run["journal"]
    )
    yield Table("Step by step", ("At", "What", "Held"), steps)
    if run["outcome"] != "passed":
        yield Items(tuple(f"Did not hold: {missing}" for missing in run["missing"]))


def _bars(run: Record) -> tuple[Bar, ...]:
    """How long it was broken unseen, seen but broken, and on its way back."""
    whole = float(run["seconds"]) or 1.0
    marks = [_at(run[name]) for name in ("injected_at", "detected_at", "healed_at", "recovered_at")]
    labels = ("Broken, not yet detected", "Detected, cause still there", "Cause gone, recovering")
    found = []
    for label, start, end in zip(labels, marks[:-1], marks[1:], strict=True):
        if start is not None and end is not None:
            seconds = max(0.0, (end - start).total_seconds())
            found.append(Bar(label, min(1.0, seconds / whole), f"{seconds:.2f} s"))
    return tuple(found)


def _spread_text(figures: Mapping[str, Any]) -> str:
    if not figures["n"]:
        return "nothing to measure"
    return (
        f"median {figures['median']:.2f} s, 95 of 100 within {figures['p95']:.2f} s, "
        f"longest {figures['max']:.2f} s (n = {figures['n']})"
    )


def _median_and_max(figures: Mapping[str, Any]) -> str:
    return f"{figures['median']:.2f} s, {figures['max']:.2f} s" if figures["n"] else "–"


def _instant(at: str | None, seconds: float | None) -> str:
    if at is None:
        return "–"
    return _clock(at) if seconds is None else f"{_clock(at)}, after {seconds:.2f} s"


def _held(met: bool | None) -> str:
    return "not seen" if met is None else ("held" if met else "DID NOT HOLD")


def _short(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f} s"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _clock(text: str | None) -> str:
    at = _at(text)
    return "–" if at is None else f"{at.astimezone(UTC):%H:%M:%S.%f}"[:-3]


def _moment(at: datetime | None) -> str:
    return "–" if at is None else f"{at.astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"
