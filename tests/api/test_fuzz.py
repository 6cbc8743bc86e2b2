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
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mentalspace.engine.credentials import read_secrets
from mentalspace.engine.db import connect_owner
from mentalspace.integrations import email, sms
from mentalspace.practice.person import Role
from tests.api.conftest import Api

# `make fuzz` asks for more of both.
EXAMPLES = int(os.environ.get("MENTALSPACE_TEST_FUZZ", "3"))
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
    """Schemathesis walks every operation, alone and in sequence by the description's links; as the
    second person, who mostly may not, by what it makes up alone. Each edge of each field is tried
    by `make fuzz`."""
    phases = "fuzzing" if role == "oncall" else "examples,fuzzing,stateful"
    if EXAMPLES > 3:
        phases = "examples,coverage,fuzzing,stateful"
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
        "--phases",
        phases,
        "--max-examples",
        str(EXAMPLES - 1),  # of each of some hundred operations, and of what links them
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


async def test_no_text_and_no_callback_breaks_the_door(api: Api, booking: dict[str, Any]) -> None:
    """The same of Twilio's forms and JSON, callbacks and what people write: whatever they say, of
    whichever number, each is heard, applied or kept for a person."""
    booking |= {"client_phone": _TELEPHONES[0]}
    assert (await api.call("POST", "/v1/appointments", booking)).http == 201
    async with connect_owner(api.services.admin_url) as owner:
        stored = await read_secrets(owner, api.services.vault, "sms", "default")
    assert stored is not None
    seen: set[int] = set()

    @settings(max_examples=EXAMPLES * 40)
    @given(_TEXTS, st.booleans(), _SIGNING, st.sampled_from(["sms/default"] * 9 + ["sms/nobody"]))
    def knock(fields: dict[str, Any], as_json: bool, signing: str, endpoint: str) -> None:
        if fields.get("AccountSid") == "ours":
            fields = {**fields, "AccountSid": stored["account_sid"]}
        raw = json.dumps(fields).encode() if as_json else _form(fields)
        url = f"{api.services.settings.site_url}/v1/hooks/{endpoint}"
        query, headers = _signed_by_twilio(raw, stored["auth_token"], signing, url)
        seen.add(_post(api.url, f"/v1/hooks/{endpoint}{query}", raw, headers))

    await asyncio.to_thread(knock)
    assert max(seen) < 500, sorted(seen)
    assert {200, 400, 401, 404} <= seen
    await api.services.inbox.process(str(api.practices["lakeside"]))
    states = await api.admin.fetch(
        "select distinct held_reason from inbox where integration = 'sms'"
    )
    assert not [row for row in states if "cannot be applied" in (row["held_reason"] or "")]


def _form(fields: Mapping[str, Any]) -> bytes:
    """As a browser would send it; what is no text stands there as JSON."""
    pairs = {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
    return urlencode(pairs, errors="surrogatepass").encode()


def _signed_by_twilio(raw: bytes, token: str, how: str, url: str) -> tuple[str, dict[str, str]]:
    """The query and the headers; `how` names what is wrong with them."""
    as_json = raw.startswith(b"{")
    query = f"?bodySHA256={hashlib.sha256(raw).hexdigest()}" if as_json else "?ref=00"
    read = partial(parse_qsl, keep_blank_values=True, errors="surrogateescape")
    pairs = [] if as_json else read(raw.decode())
    said = url + query + "".join(name + value for name, value in sorted(set(pairs)))
    key = token if how != "old" else token[::-1]
    digest = hmac.digest(key.encode(), said.encode("utf-8", "surrogateescape"), hashlib.sha1)
    signature = base64.b64encode(digest if how != "forged" else digest[::-1]).decode()
    kind = "application/json" if as_json else "application/x-www-form-urlencoded"
    sent = {"content-type": kind, "x-twilio-signature": signature}
    return query, {name: value for name, value in sent.items() if how != "cut" or name[0] != "x"}


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
_TELEPHONES = ["+12025550142", "+12025550199", "+442079460958", "98765", "anonymous", ""]
_SAID = ["STOP", "start", "HELP", "1", "2", "no more texts please", "¿A qué hora?",
         "\N{GRINNING FACE}" * 800, "\ud800"]  # fmt: skip
_CALLBACKS = [
    json.loads(path.read_text())["body"]
    for path in sorted((Path(sms.__file__).parent / "twilio/payloads").glob("callback.*.json"))
]
_FIELDS = ["From", "To", "Body", "MessageStatus", "SmsStatus", "ErrorCode", "MessageSid",
           "SmsSid", "AccountSid", "OptOutType", "NumMedia"]  # fmt: skip
_TEXTS = st.builds(
    lambda sample, sid, sender, body, place, value: {
        **sample, "AccountSid": "ours", "MessageSid": f"SM{sid:032x}", "From": sender, "Body": body,
        place: value,
    },
    st.sampled_from(_CALLBACKS),
    st.integers(0, 2**64),
    st.sampled_from(_TELEPHONES),
    st.sampled_from(_SAID) | st.text(max_size=40),
    st.sampled_from(_FIELDS) | st.text(max_size=8),
    st.sampled_from(_SAID) | st.text(max_size=30) | _JSON,
)  # fmt: skip
_SIGNING = st.sampled_from(["rightly", "rightly", "rightly", "forged", "old", "cut"])
