"""Writes the reference pages, and the tables inside other pages, from code and runbooks.

`make docs` runs it; `make check` fails while a page differs from what this would write.
"""

from __future__ import annotations

import base64
import re
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

DOCS = Path(__file__).parent
ROOT = DOCS.parent
for place in (ROOT, ROOT / "src"):
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from docs import runbook_pages, tried  # noqa: E402
from docs.markdown import table  # noqa: E402
from mentalspace.engine.runbook import (  # noqa: E402
    Runbooks,
    load_runbooks,
)
from mentalspace.integrations import discover_rooms  # noqa: E402
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
    "MENTALSPACE_STORAGE_QUOTA": "What a practice's documents may fill before it is time to plan"
    " for more, such as 100GB or 2TB; nothing is refused at it",
    "MENTALSPACE_STORAGE_S3": "A bucket for clients' files instead of a folder: the service's"
    " address and the bucket's name, such as https://s3.eu-central-1.amazonaws.com/documents",
    "MENTALSPACE_STORAGE_S3_KEY": "Opens that bucket; unset with its secret, what the host is by"
    " itself does",
    "MENTALSPACE_STORAGE_S3_REGION": "Where the bucket is; us-east-1 unless it is set",
    "MENTALSPACE_STORAGE_S3_SECRET": "The secret to MENTALSPACE_STORAGE_S3_KEY",
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
    "MENTALSPACE_CLAMAV": "ClamAV's daemon, as unix:/PATH/TO/SOCKET or tcp:HOST:PORT; unset, what"
    " lands is looked at for a few built-in marks alone",
    "MENTALSPACE_STORAGE": "Where clients' files are kept; several hosts share one folder. Unset,"
    " `storage` under MENTALSPACE_HOME",
    "MENTALSPACE_STORAGE_STATUS": "`compatible` answers whatever goes wrong under /storage/v1 with"
    " HTTP 400, as Supabase does; `true`, with the status that it is",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "A collector's address; traces go to its /v1/traces",
    "OTEL_EXPORTER_OTLP_HEADERS": "What the collector wants to see, as name=value,name=value",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "Only `http/protobuf` is spoken",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The same as a whole address, which is used as it is",
    "OTEL_SERVICE_NAME": "What this installation is called in traces",
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
    "MENTALSPACE_STORAGE_STATUS": "compatible",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SERVICE_NAME": "mentalspace",
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
        "error-cases.md": _page("Error cases", runbook_pages.cases(books)),
        "alerts.md": _page("Alert rules", runbook_pages.alerts(books)),
        "metrics.md": _page("Metrics", runbook_pages.metrics(books)),
        "prometheus.md": _page("Prometheus's series and rules", runbook_pages.prometheus(books)),
        "escalation.md": _page("Escalation", runbook_pages.escalation(books)),
        "drills.md": _page("Drills", runbook_pages.drills(books)),
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


@cache
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


if __name__ == "__main__":
    sys.exit(main())
