"""Wire samples, each with its source, judge both readings of Supabase: sandbox and adapter."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from mentalspace.integrations.storage.supabase import wire
from mentalspace.integrations.storage.tests.conftest import Project
from mentalspace.kernel.errors import Evidence
from mentalspace.kernel.integration import Answer
from mentalspace.kernel.phi import Phi

HERE = files("mentalspace.integrations.storage.supabase") / "payloads"
SAMPLES: dict[str, Any] = {
    path.name.removesuffix(".json"): json.loads(path.read_text())
    for path in sorted(HERE.iterdir(), key=lambda path: path.name)
}
ERRORS = [name for name in SAMPLES if name.startswith("error.")]


def test_samples_say_where_they_are_from() -> None:
    """Each sample names its source, how it is known, and when it was read."""
    for name, sample in SAMPLES.items():
        assert sample["source"] and sample["seen"], name
        assert sample["known"] in ("documented", "fixture", "seen live"), name


@pytest.mark.parametrize("name", ERRORS)
async def test_a_refusal_is_the_same_to_sandbox_and_adapter(project: Project, name: str) -> None:
    """The sandbox can answer it to the letter; the adapter reads its code and its true status."""
    http, body = SAMPLES[name]["http"], SAMPLES[name]["body"]
    project.fault(kind="status", http=http, name=body["code"], message=body["message"])
    assert await project.put("a") == (http, body)
    evidence = wire.error_of(Answer(http, {}, json.dumps(body).encode()), None).evidence
    assert (str(evidence.http), evidence.code) == (body["statusCode"], body["code"])
    assert evidence.message == Phi(body["message"])


@pytest.mark.parametrize("name", ["error.duplicate", "error.object_missing", "error.too_large"])
def test_an_older_server_that_knows_no_code_is_understood(name: str) -> None:
    """By what it calls the error; prose in the place of a code is no code."""
    body = {key: value for key, value in SAMPLES[name]["body"].items() if key != "code"}
    evidence = wire.error_of(Answer(400, {}, json.dumps(body).encode()), None).evidence
    assert evidence.code == SAMPLES[name]["body"]["code"]
    body |= {"code": "Some words, of somebody", "error": "Error"}
    assert wire.error_of(Answer(400, {}, json.dumps(body).encode()), None).evidence.code is None


def test_a_gateways_page_is_its_status_alone() -> None:
    found = wire.error_of(Answer(502, {"cf-ray": "8f0-FRA"}, b"<html>Bad gateway"), None).evidence
    assert found == Evidence("http", http=502, request_id="8f0-FRA")


async def test_an_upload_is_answered_as_the_sample_is(project: Project) -> None:
    """The sandbox's has the sample's fields, and the adapter reads the sample."""
    sample = SAMPLES["uploaded"]
    status, answer = await project.put("a")
    assert (status, set(answer)) == (sample["http"], set(sample["body"]))
    told = Answer(200, {}, json.dumps(sample["body"]).encode())
    wire.uploaded(told, sample["body"]["Key"])
    with pytest.raises(ValueError, match="another object"):
        wire.uploaded(told, "client-documents/other")
