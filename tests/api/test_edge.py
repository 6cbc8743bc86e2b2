"""Health, webhooks, headers, logs and the API's own description."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from mentalspace.api import create_app
from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect
from mentalspace.engine.process import beat
from mentalspace.engine.reach import reach
from mentalspace.kernel.settings import Mode
from tests.api.conftest import Api, written
from tests.house import serving_app

HOOK = "/v1/hooks/email/default"


async def test_alive_and_ready(api: Api) -> None:
    """It is alive by itself; it is ready while a worker's heart beats, and says what is missing."""
    await api.admin.execute("delete from heartbeat")
    assert (await api.call("GET", "/healthz", role=None)).body == {"alive": True}
    alone = await api.call("GET", "/readyz", role=None)
    assert (alone.http, alone.body["ready"]) == (503, False)
    assert alone.body["checks"] == {
        "database": "ok",
        "queue": "ok",
        "migrations": "ok",
        "worker": "no worker has been heard of",
    }
    await beat(api.services.database, "worker:test", "worker")
    ready = await api.call("GET", "/readyz", role=None)
    assert (ready.http, ready.body["ready"]) == (200, True)
    await api.admin.execute("update heartbeat set beat_at = beat_at - interval '6 s'")
    assert (await api.call("GET", "/readyz", role=None)).http == 503


async def test_readiness_sees_missing_migrations(api: Api) -> None:
    """A database behind this code, or ahead of it, is not ready."""
    kept = await api.admin.fetchval("select shape from app.installed")
    try:
        await api.admin.execute("update app.installed set shape = 'of another program'")
        other = await api.call("GET", "/readyz", role=None)
        assert "not this program's" in other.body["checks"]["migrations"]
        await api.admin.execute("delete from app.installed")
        never = await api.call("GET", "/readyz", role=None)
        assert "not this program's" in never.body["checks"]["migrations"]
    finally:
        await api.admin.execute("delete from app.installed")
        await api.admin.execute("insert into app.installed (shape) values ($1)", kept)


async def _signed(api: Api, body: bytes, at: float | None = None) -> dict[str, str]:
    """A provider's headers for `body`, made without our code."""
    known = await read_secrets(api.admin, api.services.vault, "email", "default")
    assert known is not None
    event_id, stamp = f"msg_{secrets.token_hex(8)}", str(int(at or time.time()))
    key = base64.b64decode(known["webhook_secret"].split()[0].removeprefix("whsec_"))
    mac = hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, hashlib.sha256)
    return {
        "svix-id": event_id,
        "svix-timestamp": stamp,
        "svix-signature": "v1," + base64.b64encode(mac).decode(),
    }


async def test_a_webhook_is_kept_once(api: Api) -> None:
    """A signed webhook is taken without any log-in; again, it is a duplicate."""
    body = b'{"type": "email.delivered"}'
    headers = await _signed(api, body)
    first = await api.call("POST", HOOK, role=None, data=body, headers=headers)
    assert (first.http, first.body) == (200, {"received": True, "duplicate": False})
    again = await api.call("POST", HOOK, role=None, data=body, headers=headers)
    assert (again.http, again.body) == (200, {"received": True, "duplicate": True})
    count = await api.admin.fetchval(
        "select count(*) from inbox where external_id = $1", headers["svix-id"]
    )
    assert count == 1


async def test_webhooks_that_do_not_hold(api: Api) -> None:
    """What is wrong with a webhook decides the answer, and nothing of it is kept."""
    body = b"{}"
    good = await _signed(api, body)
    old = await _signed(api, body, time.time() - 3600)
    before = await api.admin.fetchval("select count(*) from inbox")
    for path, data, headers, http, code in (
        ("/v1/hooks/email/nobody", body, good, 404, "not_found"),
        ("/v1/hooks/nothing/default", body, good, 404, "not_found"),
        ("/v1/hooks/email/%00", body, good, 404, "not_found"),
        ("/v1/hooks/email/a%20b", body, good, 404, "not_found"),
        (HOOK, body, {}, 400, "webhook_header"),
        (HOOK, body, {**good, "svix-timestamp": "soon"}, 400, "webhook_header"),
        (HOOK, body, {**good, "svix-id": "x" * 5000}, 400, "webhook_header"),
        (HOOK, body, old, 401, "webhook_timestamp"),
        (HOOK, b"{ }", good, 401, "webhook_signature"),
        (HOOK, body, {**good, "svix-signature": "v1,\xff"}, 401, "webhook_signature"),
        (HOOK, b"x" * 1_100_000, good, 413, "body_too_large"),
    ):
        answer = await api.call("POST", path, role=None, data=data, headers=headers)
        assert (answer.http, answer.body["code"]) == (http, code), (path, headers)
    assert await api.admin.fetchval("select count(*) from inbox") == before


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff\xfe", b"null", b"[" * 100_000])
async def test_any_signed_bytes_are_kept(api: Api, body: bytes) -> None:
    """What bears the right signature is written down, whatever it is; reading it comes later."""
    headers = await _signed(api, body)
    answer = await api.call("POST", HOOK, role=None, data=body, headers=headers)
    assert answer.http == 200, answer.raw


async def test_bodies_without_a_length_are_counted(api: Api) -> None:
    """A chunked body is cut off at the limit as well."""

    async def chunks() -> Any:
        for _ in range(40):
            yield b"x" * 65536

    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}
    for path in ("/v1/appointments", HOOK):
        async with api.http.post(api.url + path, data=chunks(), headers=headers) as answer:
            assert answer.status == 413
            assert (await answer.json(content_type=None))["code"] == "body_too_large"


async def test_a_demo_answers_only_to_its_own_names(api: Api) -> None:
    """A foreign name that points here gets no log-in page; a signed webhook comes by any name."""
    port = api.url.rpartition(":")[2]
    for host, http in (
        (f"127.0.0.1:{port}", 200),
        (f"localhost:{port}", 200),
        (f"LOCALHOST:{port}", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        (f"evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("", 421),
    ):
        for path in ("/login", "/healthz"):
            answer = await api.call("GET", path, role=None, headers={"Host": host})
            assert (host, answer.http) == (host, http)
    body = b'{"type": "email.sent"}'
    headers = {**await _signed(api, body), "Host": "tunnel.example"}
    assert (await api.call("POST", HOOK, role=None, data=body, headers=headers)).http == 200


async def test_a_browser_is_told_in_a_page(api: Api) -> None:
    """Where a person asks, a refusal is a page with a way back; a program and the API get JSON."""
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    large = {**browser, "Content-Type": "multipart/form-data; boundary=x"}
    for sent in (
        await api.call("GET", "/nowhere", role=None, headers=browser),
        await api.call("POST", "/imports", role=None, headers=large, data=b"x" * (11 * 2**20)),
    ):
        assert sent.headers["content-type"].startswith("text/html")
        assert b'<a href="/">Back to the start</a>' in sent.raw
    for path, headers in (("/nowhere", {}), ("/v1/nowhere", browser)):
        sent = await api.call("GET", path, role=None, headers=headers)
        assert sent.headers["content-type"] == "application/problem+json"


async def test_every_answer_carries_its_headers(api: Api) -> None:
    """Good or bad, an answer is protected, and can be found again by its ids."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    for path, role in (("/v1/me", "biller"), ("/v1/me", None), ("/nowhere", None)):
        answer = await api.call("GET", path, role=role, headers=headers)  # type: ignore[arg-type]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
        assert answer.headers["traceparent"].split("-")[1] == trace
        assert answer.headers["traceparent"] != headers["traceparent"]
    for bent in ("", "00-0-0-0", f"00-{'0' * 32}-00f067aa0ba902b7-01", "x" * 300):
        answer = await api.call("GET", "/healthz", role=None, headers={"traceparent": bent})
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", answer.headers["traceparent"])


async def test_the_access_log_names_routes_only(
    api: Api, logs: Path, booking: dict[str, Any]
) -> None:
    """One line a request: method, route, status, time; nothing a visitor or client wrote."""
    made = await api.call("POST", "/v1/appointments", booking)
    one = await api.call("GET", made.headers["location"])
    odd = await api.call("GET", "/zelda.quillfeather@clients.example?q=zelda", role=None)
    lines = {
        line["request_id"]: line
        for line in map(json.loads, written(logs).splitlines())
        if line["event"] == "request"
    }
    line = lines[one.headers["x-request-id"]]
    assert (line["method"], line["http"]) == ("GET", 200)
    assert line["path_template"] == "/v1/appointments/{appointment_id}"
    assert line["duration_ms"] > 0
    assert line["traceparent"] == one.headers["traceparent"]
    assert lines[odd.headers["x-request-id"]]["path_template"] == "unmatched"
    text = written(logs).lower()
    assert "zelda" not in text
    assert made.body["id"] not in text


async def test_what_breaks_is_told_without_its_text(api: Api, logs: Path) -> None:
    """An error nobody foresaw answers 500 with the request's id, and logs its type alone."""
    broken = APIRouter()

    @broken.get("/broken")
    async def fail() -> None:
        raise RuntimeError("Zelda Quillfeather was here")

    http, body = await _ask(create_app(api.services, routers=[broken]), "/broken")
    assert (http, body["code"]) == (500, "failed")
    line = next(
        entry
        for entry in map(json.loads, written(logs).splitlines())
        if entry.get("request_id") == body["request_id"] and entry["event"] == "request_failed"
    )
    assert line["error"] == "RuntimeError"
    assert "Zelda" not in written(logs)


async def test_without_a_database(api: Api) -> None:
    """It stays alive, is not ready, and tells callers to come back."""
    async with connect(api.services.login_url, size=1) as closed:
        pass
    app = create_app(replace(api.services, database=closed))
    assert await _ask(app, "/healthz") == (200, {"alive": True})
    http, body = await _ask(app, "/readyz")
    assert (http, body["ready"]) == (503, False)
    http, body = await _ask(app, "/v1/me", {"authorization": f"Bearer {api.token()}"})
    assert (http, body["code"]) == (503, "database_away")


async def test_production_insists_on_https(api: Api) -> None:
    """In production every answer tells browsers to use TLS from now on."""
    settings = replace(api.services.settings, mode=Mode.PRODUCTION)
    app = create_app(replace(api.services, settings=settings))
    async with serving_app(app) as url, api.http.get(f"{url}/healthz") as answer:
        assert "max-age" in answer.headers["strict-transport-security"]


async def test_the_description_is_whole(api: Api) -> None:
    """Every operation has a summary, says how it fails, and points at the problem's schema."""
    document = (await api.call("GET", "/openapi.json", role=None)).body
    assert {"token", "session"} <= document["components"]["securitySchemes"].keys()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            if path.startswith("/v1/") and not path.startswith("/v1/hooks"):
                assert operation["security"] == [{"token": []}, {"session": []}], name
                assert {"401", "403", "422"} <= operation["responses"].keys(), name
            for http, answer in operation["responses"].items():
                assert answer["description"], name
                if http >= "400" and path.startswith("/v1/"):
                    assert list(answer["content"]) == ["application/problem+json"], name
    text = json.dumps(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"]


async def test_docs_come_from_here(api: Api) -> None:
    """The page of the API loads nothing from anywhere."""
    page = await api.call("GET", "/docs", role=None)
    assert page.http == 200
    assert b"POST /v1/appointments" in page.raw
    assert b"http://" not in page.raw
    assert b"https://" not in page.raw
    assert b"<script" not in page.raw


async def _ask(
    app: FastAPI, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    """One request to an application that no server runs."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(m.get("body", b"") for m in sent[1:]))


async def test_our_own_door_is_asked_without_a_refusal(api: Api) -> None:
    """The doctor sees that it is there, and leaves no trace that looks like a provider's."""
    before = await api.admin.fetchval("select coalesce(sum(refused), 0) from hook_refusal")
    found = await reach(f"{api.url}{HOOK}", live=False)
    assert (found.stops, found.http) == (None, 405)
    assert await api.admin.fetchval("select coalesce(sum(refused), 0) from hook_refusal") == before
