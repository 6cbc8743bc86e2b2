"""The report of a game day as files: HTML and PDF to read, JSON to verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from markupsafe import Markup

from mentalspace.engine.document import to_html, to_pdf
from mentalspace.workflows.game_day.day import Day, to_json
from mentalspace.workflows.game_day.paper import paper
from mentalspace.workflows.game_day.picture import draw

Titles = Mapping[str, str]

# It stands alone: opened from a disk years later, it must not want for anything.
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a2330; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h2 { margin-top: 2.2rem; border-top: 1px solid #d5dae1; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0.6rem 0; }
td { overflow-wrap: anywhere; }
caption { text-align: left; color: #55606f; padding: 0.3rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.5rem;
  border-bottom: 1px solid #d5dae1; }
dl div { display: grid; grid-template-columns: 16rem 1fr; gap: 1rem; padding: 0.15rem 0; }
dt { color: #55606f; } dd { margin: 0; overflow-wrap: anywhere; }
hr { border: 0; break-after: page; }
.blank { border-bottom: 1px solid #1a2330; padding-bottom: 2.4rem; color: #55606f; }
.fill-ok { fill: #9fc5a8; } .fill-bad { fill: #b3261e; } .fill-warn { fill: #c77700; }
.fill-info { fill: #2f6fb3; } .fill-none { fill: #c5ccd6; }
figure { margin: 1rem 0; } figure svg { width: 100%; } figtd { overflow-wrap: anywhere; }
caption { color: #55606f; }
@media (max-width: 40rem) { dl div { grid-template-columns: 1fr; gap: 0; } }
@media print { h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""
_PAGE = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{}</title><style>{}</style></head>\n<body><main>\n{}\n{}\n</main></body></html>\n"
)
KEY = (
    "Green: the drill runs; red: broken and not yet detected, or failed; amber: detected, the "
    "cause still there; blue: the cause is gone, recovering; grey: interrupted."
)


def html(day: Day, titles: Titles) -> bytes:
    document = paper(day, titles)
    return str(
        _PAGE.format(document.title, Markup(_STYLE), to_html(document), _figure(day))  # noqa: S704
    ).encode()


def pdf(day: Day, titles: Titles) -> bytes:
    return to_pdf(paper(day, titles))


def data(day: Day, _titles: Titles) -> bytes:
    return to_json(day).encode()


# By the ending of the file's name: its type, and what writes it.
WRITERS: Mapping[str, tuple[str, Callable[[Day, Titles], bytes]]] = MappingProxyType(
    {
        "html": ("text/html; charset=utf-8", html),
        "pdf": ("application/pdf", pdf),
        "json": ("application/json", data),
    }
)


def file_name(day_id: str, ending: str) -> str:
    return f"game-day-{day_id.removeprefix('gd-')}.{ending}"


def write_report(day: Day, titles: Titles, folder: Path) -> list[Path]:
    """All of its files, in this order; those that are there are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for ending, (_type, write) in WRITERS.items():
        path = folder / file_name(day.id, ending)
        path.write_bytes(write(day, titles))
        written.append(path)
    return written


def _figure(day: Day) -> Markup:
    picture = draw(day)
    bar = Markup('<rect class="fill-{}" x="{}" y="{}" width="{}" height="{}"/>')
    bars = Markup("").join(
        bar.format(one.tone, one.x, one.y, one.width, one.height) for one in picture.stretches
    )
    return Markup(
        '<figure><svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        "<figcaption>{} {}</figcaption></figure>"
    ).format(picture.width, picture.height, picture.text, bars, picture.text, KEY)
