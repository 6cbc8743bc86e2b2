"""Reads the rooms' runbooks from their packages, with a deployment's overlay on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from mentalspace.engine.runbook.book import RoomRunbook, Runbooks
from mentalspace.engine.runbook.case import parse_case
from mentalspace.engine.runbook.declared import DeclaredRoom, parse_declared
from mentalspace.engine.runbook.drill import parse_drill
from mentalspace.engine.runbook.escalation import Escalation, parse_escalation
from mentalspace.engine.runbook.house_proof import HouseProof, parse_house_proof
from mentalspace.engine.runbook.issue import Issue, parse_issue
from mentalspace.engine.runbook.overview import Overview, parse_overview
from mentalspace.engine.runbook.problem import Problem
from mentalspace.engine.runbook.read import Source, parse_toml, split_head
from mentalspace.engine.runbook.rehearsal import HOUSE, Rehearsal, parse_rehearsal
from mentalspace.kernel.case import ErrorCase
from mentalspace.kernel.errors import RunbookError
from mentalspace.kernel.integration import Integration
from mentalspace.kernel.settings import PAGE_TARGETS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Page:
    """A Markdown file, its head not yet judged."""

    head: dict[str, object]
    source: Source
    body: str
    provider: str | None


def load_runbooks(rooms: Sequence[Integration], overlay: Path | None) -> Runbooks:
    """Everything, or RunbookError with one line per mistake."""
    if overlay is None:
        return _as_shipped(tuple(rooms))
    return _whole(*read_runbooks(rooms, overlay))


@cache
def _as_shipped(rooms: tuple[Integration, ...]) -> Runbooks:
    """A package does not change while a process lives: it is read once."""
    return _whole(*read_runbooks(rooms, None))


def _whole(runbooks: Runbooks | None, problems: Sequence[Problem]) -> Runbooks:
    if runbooks is None or problems:
        raise RunbookError("\n".join(map(str, problems)))
    return runbooks


def load_room(package: str, providers: Sequence[str], overlay: Path | None) -> RoomRunbook:
    """One room's, or RunbookError. `package` is the room's; its last word is the room's name."""
    problems: list[Problem] = []
    room = _read_room(package, providers, overlay, problems)
    if room is None or problems:
        raise RunbookError("\n".join(map(str, problems)))
    return room


def read_runbooks(
    rooms: Sequence[Integration], overlay: Path | None
) -> tuple[Runbooks | None, list[Problem]]:
    """What can be read and everything that cannot; for `runbook check`, which goes on."""
    problems: list[Problem] = []
    read = [_read_whole_room(room, overlay, problems) for room in rooms]
    escalation = _read_escalation(problems)
    if overlay is not None:
        known = {room.package.rpartition(".")[2] for room in rooms}
        _refuse_strangers(overlay, known, "no room has this name", problems)
    if escalation is None:
        return None, problems
    rooms_read = tuple(room for room in read if room is not None)
    built = {room.package.rpartition(".")[2] for room in rooms}
    declared = tuple(room for room in _read_declared(problems) if room.name not in built)
    rehearsals, (house, proofs) = _read_rehearsals(problems), _read_house(problems)
    return Runbooks(rooms_read, escalation, rehearsals, declared, house, proofs), problems


def _read_escalation(problems: list[Problem]) -> Escalation | None:
    item = files("mentalspace.engine.runbook") / "escalation.toml"
    source = Source(Path(str(item)), item.read_text(encoding="utf-8"))
    values = parse_toml(source, problems)
    if values is None:
        return None
    return parse_escalation(values, source, targets=PAGE_TARGETS, problems=problems)


def _read_declared(problems: list[Problem]) -> tuple[DeclaredRoom, ...]:
    item = files("mentalspace.engine.runbook") / "declared.toml"
    source = Source(Path(str(item)), item.read_text(encoding="utf-8"))
    values = parse_toml(source, problems)
    return () if values is None else parse_declared(values, source, problems)


def _read_rehearsals(problems: list[Problem]) -> tuple[Rehearsal, ...]:
    folder = files("mentalspace.engine.runbook") / "house_drills"
    return _present(
        parse_rehearsal(values, source, problems) for values, source in _tomls(folder, problems)
    )


def _read_house(problems: list[Problem]) -> tuple[tuple[Issue, ...], tuple[HouseProof, ...]]:
    """Each rule's page, and what proves the rule."""
    folder = files("mentalspace.engine.runbook") / "house"
    issues, proofs = [], []
    for page in _pages(folder, None, problems):
        proof, head = parse_house_proof(page.head, page.source, problems)
        proofs.append(proof)
        issues.append(parse_issue(head, page.source, page.body, room=HOUSE, problems=problems))
    return _present(issues), _present(proofs)


def _read_whole_room(
    room: Integration, overlay: Path | None, problems: list[Problem]
) -> RoomRunbook | None:
    read = _read_room(room.package, [p.name for p in room.providers], overlay, problems)
    return None if read is None else replace(read, providers=tuple(room.providers))


def _read_room(
    package: str, providers: Sequence[str], overlay: Path | None, problems: list[Problem]
) -> RoomRunbook | None:
    room, root = package.rpartition(".")[2], files(package)
    book = root / "runbook"
    overview = _read_overview(book / "overview.toml", room, problems)
    cases = _read_cases(root, room, providers, overlay, problems)
    issues = [
        parse_issue(p.head, p.source, p.body, room=room, problems=problems)
        for p in _pages(book / "issues", None, problems)
    ]
    drills = [
        parse_drill(values, source, room=room, providers=providers, problems=problems)
        for values, source in _tomls(book / "drills", problems)
    ]
    if overview is None:
        return None
    return RoomRunbook(room, overview, cases, _present(issues), _present(drills))


def _read_overview(item: Traversable, room: str, problems: list[Problem]) -> Overview | None:
    path = Path(str(item))
    if not item.is_file():
        cure = "write the room's overview.toml: purpose, metrics, alerts, owner"
        problems.append(Problem(path, None, "the overview is missing", cure))
        return None
    text = _read(item, problems)
    source = Source(path, text or "")
    values = None if text is None else parse_toml(source, problems)
    if values is None:
        return None
    return parse_overview(values, source, room=room, problems=problems)


def _read_cases(
    root: Traversable,
    room: str,
    providers: Sequence[str],
    overlay: Path | None,
    problems: list[Problem],
) -> tuple[ErrorCase, ...]:
    pages = _case_pages(root, providers, problems)
    laid = _overlay_pages(overlay, room, providers, problems)
    return _present(
        parse_case(
            page.head,
            page.source,
            page.body,
            integration=room,
            provider=page.provider,
            overlaid=overlaid,
            problems=problems,
        )
        for page, overlaid in _merge(pages, laid, problems)
    )


def _case_pages(
    root: Traversable, providers: Sequence[str], problems: list[Problem]
) -> list[_Page]:
    """The providers' cases, then the room's own."""
    pages = [page for p in providers for page in _pages(root / p / "errors", p, problems)]
    return pages + list(_pages(root / "errors", None, problems))


def _overlay_pages(
    overlay: Path | None, room: str, providers: Sequence[str], problems: list[Problem]
) -> list[_Page]:
    if overlay is None or not (overlay / room).is_dir():
        return []
    known = {*providers, "errors"}
    _refuse_strangers(overlay / room, known, f"{room} has no such provider", problems)
    return _case_pages(overlay / room, providers, problems)


def _merge(
    pages: list[_Page], overlay: list[_Page], problems: list[Problem]
) -> Iterator[tuple[_Page, bool]]:
    """Each page with whether an overlay wrote any of it.

    An overlay of a known id replaces the keys it gives, and the prose if it has any.
    """
    changes = {page.head.get("id"): page for page in overlay}
    for page in pages:
        change = changes.pop(page.head.get("id"), None)
        if change is None:
            yield page, False
            continue
        if "version" not in change.head:
            cure = "add version, a whole number of your own, so that a timeline can name it"
            problems.append(Problem(change.source.path, 1, "an overlay without version", cure))
        merged = {**page.head, **change.head}
        yield _Page(merged, change.source, change.body or page.body, page.provider), True
    for page in changes.values():
        yield page, True


def _refuse_strangers(
    folder: Path, known: Iterable[str], text: str, problems: list[Problem]
) -> None:
    """A misspelt overlay folder would be ignored in silence, and the change with it."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and path.name not in known:
            cure = f"rename the folder to one of {', '.join(sorted(known))}"
            problems.append(Problem(path, None, text, cure))


def _pages(folder: Traversable, provider: str | None, problems: list[Problem]) -> Iterator[_Page]:
    for item in _items(folder, ".md"):
        text = _read(item, problems)
        parts = None if text is None else split_head(Path(str(item)), text, problems)
        head = None if parts is None else parse_toml(parts[0], problems)
        if parts is not None and head is not None:
            yield _Page(head, parts[0], parts[1], provider)


def _tomls(
    folder: Traversable, problems: list[Problem]
) -> Iterator[tuple[dict[str, object], Source]]:
    for item in _items(folder, ".toml"):
        text = _read(item, problems)
        source = Source(Path(str(item)), text or "")
        values = None if text is None else parse_toml(source, problems)
        if values is not None:
            yield values, source


def _items(folder: Traversable, suffix: str) -> list[Traversable]:
    if not folder.is_dir():
        return []
    return sorted((i for i in folder.iterdir() if i.name.endswith(suffix)), key=lambda i: i.name)


def _read(item: Traversable, problems: list[Problem]) -> str | None:
    try:
        return item.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        text = f"cannot be read: {type(error).__name__}"
        problems.append(Problem(Path(str(item)), None, text, "save it as readable UTF-8"))
        return None


def _present(items: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(item for item in items if item is not None)
