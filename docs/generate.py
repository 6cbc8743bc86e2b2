"""Writes the reference pages, and the tables inside other pages, from code and runbooks.

`make docs` runs it; `make check` fails while a page differs from what this would write.
"""

from __future__ import annotations

import base64
import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

DOCS = Path(__file__).parent
ROOT = DOCS.parent
for place in (ROOT, ROOT / "src"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from docs import tried  # noqa: E402
from docs.markdown import table  # noqa: E402
from mentalspace.engine.export.house import HOUSE_ALERTS  # noqa: E402
from mentalspace.engine.export.prometheus import alert_name, exported  # noqa: E402
from mentalspace.engine.export.watch import watch  # noqa: E402
from mentalspace.engine.house_alert import HOUSE_RULES  # noqa: E402
from mentalspace.engine.metrics import FAMILIES, PREFIX  # noqa: E402
from mentalspace.engine.rates import ENOUGH  # noqa: E402
from mentalspace.engine.runbook import (  # noqa: E402
    AlertRule,
    Expect,
    Measure,
    Metric,
    Runbooks,
    load_runbooks,
)
from mentalspace.engine.worker import EVALUATE_EVERY_S  # noqa: E402
from mentalspace.integrations import discover_rooms  # noqa: E402
from mentalspace.kernel.case import ErrorCase, Match  # noqa: E402
from mentalspace.kernel.errors import SettingsError  # noqa: E402
from mentalspace.kernel.settings import PAGE_TARGETS, load_settings  # noqa: E402

NOTE = "<!-- Written by docs/generate.py; change its sources and run `make docs`. -->"
NEVER = "–"

# What each setting means; the code says which there are, when they are needed and what they default
# to. Those of a room stand in its overview.toml instead.
MEANINGS = {
    "DATABASE_URL": "The owner's URL of a PostgreSQL 16 or later; unset, one is embedded",
    "MENTALSPACE_ALERTMANAGER_TOKEN": "Opens /v1/hooks/alertmanager to whoever sends it as a bearer"
    " token; at least 32 characters",
    "MENTALSPACE_DEMO_DAY": "`off` stops the demo from booking appointments by itself",
    "MENTALSPACE_DEMO_PASSWORD": "The demo log-ins' password; unset, a known one is printed",
    "MENTALSPACE_ENV": "`demo` or `production`",
    "MENTALSPACE_HEARTBEAT_URL": "Called each minute while somebody could be paged; silence is the"
    " alarm there",
    "MENTALSPACE_HOME": "Where state and logs are kept",
    "MENTALSPACE_JWT_SECRET": "Signs tokens; at least 32 characters",
    "MENTALSPACE_TEXT_REGIONS": "Countries whose numbers get log-in codes by text",
    "MENTALSPACE_LINK_KEYS": "Names of the keys of links in mails; the first signs, all hold",
    "MENTALSPACE_JWT_SECRET_BEFORE": "Signed tokens until lately; they hold until they expire",
    "MENTALSPACE_MASTER_KEY_BEFORE": "Sealed until lately; needed until `mentalspace keys reseal`",
    "MENTALSPACE_MASTER_KEY": "Seals credentials, bodies and raw webhooks; 32 bytes, base64",
    "MENTALSPACE_METRICS_PRACTICES": "`on` labels the series of /metrics with the practice's id",
    "MENTALSPACE_METRICS_TOKEN": "Opens /metrics to whoever sends it as a bearer token, and to"
    " nobody else; at least 32 characters",
    "MENTALSPACE_PAGERDUTY_URL": "PagerDuty’s Events API; set for the service region of the EU",
    "MENTALSPACE_PAGE_ASSIGNED": "Pages of medium severity; Apprise addresses, separated by spaces",
    "MENTALSPACE_PAGE_CTO": "Pages of critical severity, and what nobody acknowledged in time",
    "MENTALSPACE_PAGE_DRILL": "Pages of drills, and of nothing else",
    "MENTALSPACE_PAGE_ONCALL": "Pages of critical and high severity",
    "MENTALSPACE_PAGE_TICKETS": "Pages of low severity",
    "MENTALSPACE_PORT": "The port of API and console; the sandboxes take the three after it",
    "MENTALSPACE_RUNBOOKS": "A directory of this deployment's own changes to cases",
    "SITE_URL": "The address people reach; links in pages begin with it",
}
# Where the code falls back on something that is not in the mapping of `load_settings`.
DEFAULTS = {
    "EMAIL_FROM": "noreply@mentalspace.app",
    "EMAIL_REPLY_TO": "support@mentalspace.app",
    "MENTALSPACE_DEMO_DAY": "on",
    "MENTALSPACE_ENV": "demo",
    "MENTALSPACE_HOME": ".mentalspace",
    "MENTALSPACE_TEXT_REGIONS": "US",
    "MENTALSPACE_LINK_KEYS": "1",
    "MENTALSPACE_METRICS_PRACTICES": "off",
    "MENTALSPACE_PAGERDUTY_URL": "https://events.pagerduty.com",
    "MENTALSPACE_PORT": "8080",
    "SITE_URL": "http://127.0.0.1:8080",
}
_READ = re.compile(r"environ(?:ment)?(?:\.get\(|\[)\s*[\"']([A-Z][A-Z0-9_]+)[\"']")


def main() -> int:
    """Write what is stale, or with --check only name it."""
    old = stale()
    for path, text in old.items():
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
    return 1 if old and "--check" in sys.argv[1:] else 0


def stale() -> dict[Path, str]:
    """The pages that differ from what they should be, with what they should be."""
    wanted = {DOCS / "reference" / name: page for name, page in reference().items()}
    wanted[DOCS / "seed-coverage.md"] = coverage_page()
    for path in (*DOCS.glob("explanation/*.md"), *DOCS.glob("howto/*.md")):
        wanted[path] = filled(path.read_text(encoding="utf-8"))
    return {
        path: text
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def reference() -> dict[str, str]:
    """Every reference page by its file name."""
    books = runbooks()
    pages = {
        "error-cases.md": _page("Error cases", _cases(books)),
        "alerts.md": _page("Alert rules", _alerts(books)),
        "metrics.md": _page("Metrics", _metrics(books)),
        "prometheus.md": _page("Prometheus's series and rules", _prometheus(books)),
        "escalation.md": _page("Escalation", _escalation(books)),
        "drills.md": _page("Drills", _drills(books)),
        "settings.md": _page("Settings", _settings_text()),
        "commands.md": _page("Commands", _commands()),
        "http.md": _page("HTTP", _http()),
    }
    index = "\n".join(
        f"- [{text.partition('# ')[2].partition(chr(10))[0]}]({name})"
        for name, text in pages.items()
    )
    return {**pages, "README.md": _page("Reference", index + "\n")}


def runbooks() -> Runbooks:
    return load_runbooks(list(discover_rooms().values()), None)


# Runbooks ----------------------------------------------------------------------------------------


def _cases(books: Runbooks) -> str:
    rows = [_case_row(case) for case in books.cases]
    return (
        "What each failure of a provider means, and what the engine does with the delivery.\n"
        "The whole page of a case: `mentalspace runbook show ID`, or the console.\n\n"
        + table("case | matches | severity | then | whose | steps | drill", rows)
    )


def _case_row(case: ErrorCase) -> list[str]:
    return [
        f"[`{case.id}`]({_link(case.path)})",
        "<br>".join(match_text(match) for match in case.match) or "whatever no other case does",
        case.severity.value,
        case.disposition.value,
        case.fault.value,
        ", ".join(f"`{step.do}`" for step in case.steps) or NEVER,
        f"`{case.integration}/{case.drill}`" if case.drill else NEVER,
    ]


def match_text(match: Match) -> str:
    """One pattern in a line: kinds, statuses, codes, message."""
    parts = [
        " or ".join(sorted(match.kind)),
        " or ".join(map(str, sorted(match.http))),
        " or ".join(f"`{code}`" for code in sorted(match.code)),
        f"message `` {match.message.pattern} ``" if match.message else "",
    ]
    return ", ".join(part for part in parts if part)


def _alerts(books: Runbooks) -> str:
    rows = [
        [
            f"`{rule.id}`",
            rule.title,
            _rule_text(rule),
            rule.severity.value,
            rule.action,
            f"`{_room(rule.id)}/{rule.drill}`" if rule.drill else NEVER,
            rule.state.value,
        ]
        for rule in books.alerts
    ]
    return (
        f"A live rule is evaluated every {EVALUATE_EVERY_S:g} s for each credential, a rate every\n"
        "few seconds to minutes, as its window is long; its drill fires it."
        " A declared one is written down and not evaluated yet.\n\n"
        + table("rule | title | when | severity | first step | drill | state", rows)
        + "\nOf rooms that are not built yet, written down and not evaluated:\n\n"
        + table(
            "room | alert | first step",
            [[room.title, a.title, a.action] for room in books.declared for a in room.alerts],
        )
        + _house_rules()
    )


def _house_rules() -> str:
    rows = [
        [f"`{rule.id}`", rule.title, rule.severity.value, rule.first_step]
        for rule in HOUSE_RULES.values()
    ]
    return (
        "\n## The house itself\n\nThe alarm watches itself: its loops' pulses, each way to page,"
        " and the schedule.\n\n" + table("rule | title | severity | first step", rows)
    )


def _rule_text(rule: AlertRule) -> str:
    match rule.kind.value:
        case "case":
            names = ", ".join(f"`{case}`" for case in rule.cases)
            return f"{rule.threshold:g} since the last success met {names}"
        case "paused":
            names = ", ".join(f"`{case}`" for case in rule.cases)
            return f"a lane waits by {names}"
        case "consecutive":
            return f"{rule.threshold:g} in a row failed, to as many people"
        case _:
            line = f"`{rule.metric}` {rule.op.value if rule.op else ''} {rule.threshold:g}"
            return f"{line} over {_span(int(rule.window_s))}, beyond chance"


def _metrics(books: Runbooks) -> str:
    rows = [
        [f"`{m.id}`", m.title, f"{m.op.value} {m.target:g}", m.unit, _measure_text(m)]
        for room in books.rooms
        for m in room.overview.metrics
    ]
    prices = [
        f"A message accepted through `{room.room}` is counted at {price.amount:g} "
        f"{price.currency}: <{price.source}>."
        for room in books.rooms
        if (price := room.overview.price)
    ]
    return (
        "Counted from the ledger over an hour, a day and thirty days, for each credential,\n"
        "without drills. A message counts once it is a quarter of an hour old, when what the\n"
        "provider says of it has come; its recipient's own fault counts against nobody's rate.\n"
        f"Fewer than {ENOUGH} are shown as counts. How longer spans are counted ahead, and how\n"
        "long that is kept: [rollups](../explanation/rollups.md).\n\n"
        + table("metric | title | target | unit | counted", rows)
        + "\nOf rooms that are not built yet, written down and shown as “no data yet”:\n\n"
        + table("room | metric | target", _declared_metrics(books))
        + "".join(f"\n{price}\n" for price in prices)
    )


def _declared_metrics(books: Runbooks) -> list[list[str]]:
    return [
        [room.title, metric.title, metric.target or NEVER]
        for room in books.declared
        for metric in room.metrics
    ]


def _measure_text(metric: Metric) -> str:
    match metric.measure:
        case Measure.DELIVERY_RATE:
            return "delivered, of what ended"
        case Measure.EVENT_RATE:
            events = " or ".join(f"`{event}`" for event in metric.events)
            return f"messages with {events}, of those {metric.of.value}"
        case Measure.SEND_TIME:
            return "average from due to accepted"
        case Measure.DELIVERY_TIME:
            return "average from accepted to delivered"
        case Measure.AVAILABILITY:
            return "requests that did not fail by the provider's fault"
        case Measure.FAILURE_RATE:
            return "ended badly by whomever's fault, of what ended; and the providers' codes"
        case Measure.LATE_RATE:
            return f"delivered more than {metric.late_after_s:g} s after accepted"
        case Measure.OPT_OUT_RATE:
            return "people who want no more, of the people reached"
        case _:
            return "not counted"


def _prometheus(books: Runbooks) -> str:
    series = [
        [
            f"`{PREFIX}{family.name}{'_total' if family.kind == 'counter' else ''}`",
            family.kind,
            ", ".join(f"`{label}`" for label in family.labels) or NEVER,
            family.help,
        ]
        for family in FAMILIES.values()
    ]
    rules = [
        [f"`{alert_name(rule.id)}`", f"`{rule.id}`", rule.severity.value, _one_line(remark)]
        for room in books.rooms
        for rule in exported(room)
        for remark in [watch(room, rule).remark]
    ]
    house = [
        [f"`{alert_name(a.id)}`", a.title, a.severity.value, f"{a.action}"] for a in HOUSE_ALERTS
    ]
    return (
        "`/metrics` has these, and `mentalspace_http_requests_total`,"
        " `mentalspace_http_request_seconds`\nand the usual `process_` series of the API that is"
        " asked. All others are the whole installation's,\nread from the database; drills are not"
        " counted. [How to scrape and alert](../howto/watch-with-prometheus.md).\n\n"
        + table("series | kind | labels | what it is", series)
        + "\n## Rules\n\nWritten by `mentalspace runbook export --prometheus` from the runbooks;"
        " each has the\nrule's id, its integration and severity as labels, and its page as"
        " `runbook_url`.\n\n"
        + table("alert | rule | severity | where it differs from our own evaluator", rules)
        + "\n## The house\n\nWhat our own evaluator cannot tell anybody of:\n\n"
        + table("alert | when | severity | first step", house)
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escalation(books: Runbooks) -> str:
    matrix = books.escalation
    rows = [
        [
            rung.severity.value,
            rung.meaning,
            _span(rung.ack_within_s) if rung.ack_within_s else "at once",
            _span(rung.resolve_within_s),
            _targets(rung.first_paged),
            f"every {_span(rung.repeat_every_s)}" if rung.repeat_every_s else NEVER,
            _targets(rung.escalate_to),
            rung.actions,
        ]
        for rung in matrix.rungs.values()
    ]
    head = (
        "severity | meaning | acknowledge within | over within | pages | again | then also"
        " | what they do"
    )
    return (
        f"Version {matrix.version}, owner {matrix.owner}, reviewed {matrix.reviewed}, "
        f"next review {matrix.next_review}.\nA target is a setting: `oncall` is "
        "`MENTALSPACE_PAGE_ONCALL`. Acknowledging stops all of it, until the incident should be\n"
        "over; then it is open again and pages. Degraded and minor ones leave a ticket as well.\n\n"
        + table(head, rows)
    )


def _targets(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or NEVER


def _drills(books: Runbooks) -> str:
    rows = [
        [
            f"[`{drill.id}`]({_link(drill.path)})",
            drill.title,
            ", ".join(f"`{case}`" for case in drill.cases) or NEVER,
            ", ".join(drill.seed) or NEVER,
            _expectation(drill.expect),
            "; ".join(drill.recover) or NEVER,
        ]
        for drill in books.drills
    ]
    rows += [
        [
            f"[`{rehearsal.id}`]({_link(rehearsal.path)})",
            rehearsal.title,
            NEVER,
            NEVER,
            "; ".join(f"{step.do}: {step.expect}" for step in rehearsal.steps),
            NEVER,
        ]
        for rehearsal in books.rehearsals
    ]
    return (
        "Run one with `mentalspace drill email/invalid_api_key`, all with `mentalspace drill "
        "--all`.\nThe third column names the cases a drill proves, the fourth the items of "
        "[the seed](../seed-coverage.md) it shows.\n\n"
        + table("drill | title | proves | seed | expects | recovers by", rows)
    )


def _expectation(expect: Expect) -> str:
    shown = []
    for name in Expect.__slots__:
        value = getattr(expect, name)
        if value not in (None, ()):
            plain = ", ".join(value) if isinstance(value, tuple) else str(value).lower()
            shown.append(f"{name} {plain}")
    return "; ".join(shown)


# Settings ----------------------------------------------------------------------------------------


def settings_read() -> set[str]:
    """Every name of the environment that the code reads, wherever it does."""
    names = {f"MENTALSPACE_PAGE_{target.upper()}" for target in PAGE_TARGETS}
    for path in (ROOT / "src").rglob("*.py"):
        if "room_template" in path.parts:
            continue
        names.update(_READ.findall(path.read_text(encoding="utf-8")))
    for room in discover_rooms().values():
        for provider in room.providers:
            names.add(provider.base_url_env)
            names.update(field.env for field in provider.credential_fields)
            if provider.status_page is not None:
                names.add(provider.status_page.env)
    return names


def settings_described() -> dict[str, str]:
    """Every name that is explained, with its meaning."""
    rooms = {s.name: s.meaning for room in runbooks().rooms for s in room.overview.configuration}
    return {**rooms, **MEANINGS}


def needed_in_production() -> set[str]:
    """Asked of the code itself: what an empty production environment is told it lacks."""
    try:
        load_settings({"MENTALSPACE_ENV": "production"})
    except SettingsError as error:
        return {line.partition(":")[0] for line in error.mistakes if "needs it" in line}
    return set()


def production_environment() -> dict[str, str]:
    """The least that production starts with; nothing in it is anybody's."""
    given = {
        "MENTALSPACE_ENV": "production",
        "MENTALSPACE_MASTER_KEY": base64.urlsafe_b64encode(bytes(32)).decode(),
        "MENTALSPACE_JWT_SECRET": "x" * 32,
        "MENTALSPACE_PAGE_ONCALL": "json://127.0.0.1",
        "DATABASE_URL": "postgresql://127.0.0.1/mentalspace",
        "SITE_URL": "https://practice.example",
    }
    load_settings(given)
    return given


def _settings_text() -> str:
    return (
        "Read once, at the start, from the environment. A mistake is said in one line each, and\n"
        "no value is ever printed.\n\n" + settings_table()
    )


def settings_table() -> str:
    described, needed = settings_described(), needed_in_production()
    rows = []
    for name in sorted(settings_read()):
        production = "needed" if name in needed else NEVER
        if name in ("MENTALSPACE_DEMO_PASSWORD",):
            production = "refused"
        default = f"`{DEFAULTS[name]}`" if name in DEFAULTS else NEVER
        rows.append([f"`{name}`", described.get(name, ""), default, production])
    return table("name | meaning | default | production", rows)


# Doors -------------------------------------------------------------------------------------------


def command_tree() -> dict[str, Any]:
    """Every command by its words, hidden options left out."""
    import typer.main

    from mentalspace.cli import build

    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                walk(inner, (*words, name))
        else:
            found[" ".join(words)] = command

    walk(typer.main.get_command(build(cast(Any, lambda: None))), ())
    return found


def _commands() -> str:
    rows = []
    for words, command in command_tree().items():
        shown = [p for p in command.params if not getattr(p, "hidden", False)]
        arguments = [p for p in shown if p.param_type_name == "argument"]
        options = [p for p in shown if p.param_type_name == "option"]
        call = " ".join([f"mentalspace {words}", *(_argument(a) for a in arguments)])
        rows.append(
            [
                f"`{call}`",
                (command.help or "").strip().replace("\n", " "),
                "<br>".join(_option(option) for option in options) or NEVER,
            ]
        )
    return (
        "`mentalspace COMMAND --help` says the same. Exit 0: done; 1: it did not come about;\n"
        "2: it could not be done as asked.\n\n" + table("command | does | options", rows)
    )


def _argument(argument: Any) -> str:
    if argument.metavar:
        return str(argument.metavar)
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _option(option: Any) -> str:
    help_text = f" {option.help}" if getattr(option, "help", None) else ""
    return f"`{', '.join(option.opts)}`{help_text}"


def _http() -> str:
    document = openapi()
    if document is None:
        return "Served by a running installation at `/openapi.json`.\n"
    rows = []
    for path, methods in sorted(document["paths"].items()):
        for method, operation in methods.items():
            if method in ("get", "post", "put", "patch", "delete"):
                answers = ", ".join(sorted(operation.get("responses", {})))
                rows.append([f"`{method.upper()} {path}`", operation.get("summary", ""), answers])
    return (
        "From the OpenAPI document, which a running installation serves. Errors are\n"
        "`application/problem+json` with a stable `code`.\n\n"
        + table("request | does | answers", rows)
    )


def openapi() -> dict[str, Any] | None:
    """The API's own description of itself; None while there is no API."""
    from dataclasses import fields

    from mentalspace.engine.services import Services

    try:
        from mentalspace.api import create_app
    except ImportError:
        return None
    known = {"settings": load_settings({}), "rooms": discover_rooms(), "runbooks": runbooks()}
    known |= {"login_url": "", "admin_url": "", "jwt_secret": "x" * 32}
    services = Services(**{f.name: cast(Any, known.get(f.name)) for f in fields(Services)})
    app: Any = create_app(services, routers=[])
    while not hasattr(app, "openapi"):
        app = app.app
    return cast(dict[str, Any], app.openapi())


# The seed ----------------------------------------------------------------------------------------


def checklist() -> dict[str, dict[str, Any]]:
    """The seed's parts by prefix, as docs/seed-checklist.toml holds them."""
    return tomllib.loads((DOCS / "seed-checklist.toml").read_text(encoding="utf-8"))


def items(part: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A part's items by id, a bare text being an item that is not built."""
    return {
        key: {"asks": value} if isinstance(value, str) else value
        for key, value in part.items()
        if re.fullmatch(r"[A-Z]{2}-\d{2}", key)
    }


def standing(item: dict[str, Any]) -> str:
    if not item.get("shown"):
        return "not yet built"
    return "partly" if item.get("lacks") else "shown"


def coverage_page() -> str:
    parts = checklist()
    counts = {"shown": 0, "partly": 0, "not yet built": 0}
    text = []
    for part in parts.values():
        rows = []
        for key, item in items(part).items():
            state = standing(item)
            counts[state] += 1
            proofs = "<br>".join(_proof(proof) for proof in item.get("shown", []))
            rows.append([key, item["asks"], state, proofs or NEVER, item.get("lacks", "")])
        text.append(f"## {part['title']}\n\n{table('id | asks | state | shown by | lacks', rows)}")
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    body = (
        "Every concrete thing the seed runbook asks for, and what that runs here shows it.\n"
        f"Of {sum(counts.values())}: {said}.\n"
        "The list is [seed-checklist.toml](seed-checklist.toml); `make check` looks up every\n"
        "case, drill, alert, query, page and test named here.\n\n"
    )
    return _page("What the seed asks, and what shows it", body + "\n".join(text))


def _proof(proof: str) -> str:
    kind, _, name = proof.partition(" ")
    return f"{kind} `{name}`"


# Tables inside pages -----------------------------------------------------------------------------


REGIONS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "import-errors": tried.import_errors,
    "series-errors": tried.series_errors,
    "bad-numbers": tried.bad_numbers,
    "number-notes": tried.number_notes,
    "bad-texts": tried.bad_texts,
    "bad-callbacks": tried.bad_callbacks,
}
_REGION = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """The text with every generated region as it should be."""
    return _REGION.sub(lambda m: f"{m[1]}\n{REGIONS[m[2]]()}\n{m[3]}", text)


# Pages -------------------------------------------------------------------------------------------


def _page(title: str, body: str) -> str:
    return f"{NOTE}\n\n# {title}\n\n{body}"


def _link(path: Path) -> str:
    return f"../../{path.relative_to(ROOT).as_posix()}"


def _room(dotted: str) -> str:
    return dotted.partition(".")[0]


def _span(seconds: int) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0 and seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


if __name__ == "__main__":
    sys.exit(main())
