"""Whatever is sent to the API gets an answer that its own description declares, never a 500."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.integrations import email
from mentalspace.practice.person import Role
from tests.api.conftest import Api

# `make fuzz` asks for more of both.
EXAMPLES = int(os.environ.get("MENTALSPACE_TEST_FUZZ", "5"))
_SCHEMATHESIS = Path(sys.executable).with_name("st")
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.mark.parametrize("role", ["administrator", "oncall"])
async def test_every_answer_is_one_the_description_declares(
    api: Api, tmp_path: Path, booking: dict[str, Any], role: Role
) -> None:
    """Schemathesis walks every operation, alone and in sequence by the description's links."""
    booked = await api.call("POST", "/v1/appointments", booking)
    assert booked.http == 201
    await api.call("POST", "/v1/imports", data=b"external_id\nno-client\n",
                   headers={"Content-Type": "text/csv"})  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        _SCHEMATHESIS,
        "run",
        f"{api.url}/openapi.json",
        "--header",
        f"Authorization: Bearer {api.token(role)}",
        "--checks",
        ",".join(_CHECKS),
        "--max-examples",
        str(EXAMPLES),
        "--exclude-path",
        "/readyz",  # no worker runs here, and it says so with a 503
        "--generation-database=none",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said[-6000:]
    assert "Tested" in said


async def test_no_webhook_breaks_the_door(api: Api, booking: dict[str, Any]) -> None:
    """Any bytes, signed rightly or not, at any endpoint: 2xx or 4xx, never a 500; and what was
    taken is applied or held, and stops nothing that comes after it."""
    async with connect_owner(api.services.admin_url) as owner:
        stored = await read_secrets(owner, api.services.vault, "email", "default")
    assert stored is not None
    seen: set[int] = set()

    @settings(max_examples=EXAMPLES * 40)
    @given(_BODIES, _SIGNING, st.sampled_from(["email/default"] * 8 + ["email/nobody", "fax/x"]))
    def knock(raw: bytes, signing: str, endpoint: str) -> None:
        headers = _signed(raw, stored["webhook_secret"], signing)
        seen.add(_post(api.url, f"/v1/hooks/{endpoint}", raw, headers))

    await asyncio.to_thread(knock)
    assert max(seen) < 500, sorted(seen)
    assert {200, 400, 401, 404} <= seen
    await api.services.inbox.process(str(api.practices["lakeside"]))
    states = await api.admin.fetch("select distinct state, held_reason from inbox")
    assert not [row for row in states if "cannot be applied" in (row["held_reason"] or "")]


def _signed(raw: bytes, secret: str, how: str) -> dict[str, str]:
    """Svix's headers; `how` names what is wrong with them."""
    event_id, at = f"msg_{secrets.token_hex(8)}", str(int(time.time()))
    if how == "old":
        at = str(int(at) - 3600)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{event_id}.{at}.".encode() + raw, hashlib.sha256)
    signature = "v1," + base64.b64encode(digest if how != "forged" else digest[::-1]).decode()
    headers = {"svix-id": event_id, "svix-timestamp": at, "svix-signature": signature}
    return {name: value for name, value in headers.items() if how != "cut" or name != "svix-id"}


def _post(url: str, path: str, raw: bytes, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    try:
        connection.request("POST", path, raw, {"content-type": "application/json", **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def _changed(sample: dict[str, Any], place: str, value: object) -> bytes:
    """A webhook as the provider sends it, but for one value."""
    inner = sample.get("data", {})
    return json.dumps({**sample, place: value} if place in sample else
                      {**sample, "data": {**inner, place: value}}).encode()  # fmt: skip


_SAMPLES = [
    json.loads(path.read_text())
    for path in sorted((Path(email.__file__).parent / "resend/payloads").glob("webhook.*.json"))
]
_PLACES = ["type", "created_at", "data", "email_id", "to", "bounce", "tags", "subject"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
_BODIES = st.one_of(
    st.builds(_changed, st.sampled_from(_SAMPLES), st.sampled_from(_PLACES), _JSON),
    st.builds(lambda sample, cut: json.dumps(sample).encode()[:cut], st.sampled_from(_SAMPLES),
              st.integers(0, 400)),
    st.binary(max_size=300),
    _JSON.map(lambda value: json.dumps(value).encode()),
)  # fmt: skip
_SIGNING = st.sampled_from(["rightly", "rightly", "rightly", "forged", "old", "cut"])
