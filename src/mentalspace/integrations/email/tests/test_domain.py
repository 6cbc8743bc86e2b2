"""The sending domain: what Resend wants, what the DNS says, and what is said of the difference."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mentalspace.engine.outbound import DeadlinedHttp, open_client
from mentalspace.engine.resolver import Resolver
from mentalspace.integrations.email.domain.examine import examine
from mentalspace.integrations.email.domain.expected import sender_domain
from mentalspace.integrations.email.domain.judge import judge_dmarc
from mentalspace.integrations.email.domain.spf import read_spf
from mentalspace.integrations.email.resend.adapter import ResendAdapter
from mentalspace.integrations.email.resend.wire import domain_of, whole_name
from mentalspace.kernel.checkup import DnsAnswer, Finding
from mentalspace.kernel.integration import Answer, Checkup, Credential
from mentalspace.sandbox.running import Running, running_sandbox
from mentalspace.sandbox.world import DNS

DOMAIN = "mentalspace.app"


@dataclass(slots=True)
class Clinic:
    """A sandbox with one customer, and the room's examination of its credential."""

    running: Running
    adapter: ResendAdapter
    resolver: Resolver
    sender: str = f"noreply@{DOMAIN}"

    async def look(self) -> dict[str, Finding]:
        checkup = Checkup(
            "Resend", self.adapter, {"EMAIL_FROM": self.sender}, self.resolver.look_up
        )
        return {finding.check: finding for finding in await examine(checkup)}

    def customer(self, **options: Any) -> None:
        self.running.world.kit.accounts.put("email", "resend", "re_clinic", options=options)

    def break_it(self, preset: str) -> None:
        self.running.world.names.break_it(DOMAIN, preset)


@asynccontextmanager
async def at_the_clinic(place: Path) -> AsyncIterator[Clinic]:
    async with (
        running_sandbox(place, rooms=["email"]) as running,
        open_client(live=False) as client,
    ):
        base_url = f"{running.url}/email/resend"
        credential = Credential("p", "default", base_url, {"api_key": "re_clinic"}, "")
        port = int(running.world.addresses[DNS].rpartition(":")[2])
        clinic = Clinic(
            running,
            ResendAdapter(DeadlinedHttp(client, 5), credential),
            Resolver(("127.0.0.1", port), deadline_s=0.4),
        )
        clinic.customer()
        yield clinic


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    async with at_the_clinic(tmp_path) as ready:
        yield ready


async def test_a_well_kept_domain_has_nothing_to_publish(clinic: Clinic) -> None:
    """Verified at Resend, every record as expected, a policy that our mail aligns with."""
    found = await clinic.look()
    assert {check: f.state for check, f in found.items()} == dict.fromkeys(
        ("domain at Resend", "return path", "SPF", "DKIM", "DMARC"), "good"
    )
    assert not any(f.publish for f in found.values())
    assert "1 look-up of 10" in found["SPF"].text
    assert "aligned by DKIM and SPF" in found["DMARC"].text


@pytest.mark.parametrize(
    ("preset", "check", "words", "published"),
    [
        ("spf_missing", "SPF", "has no SPF record", "v=spf1 include:amazonses.com ~all"),
        ("spf_twice", "SPF", "2 SPF records", "v=spf1 include:amazonses.com ~all"),
        ("spf_other", "SPF", "does not include amazonses.com", "v=spf1 include:amazonses.com"),
        ("dkim_missing", "DKIM", "has no key", "p=MIGf"),
        ("dkim_wrong", "DKIM", "another key", "p=MIGf"),
        ("dkim_cut", "DKIM", "cut short, 118 of 216 characters", "p=MIGf"),
        ("dmarc_missing", "DMARC", "has no policy", "v=DMARC1; p=none; rua=mailto:dmarc@"),
    ],
)
async def test_a_broken_record_is_named_with_its_cure(
    clinic: Clinic, preset: str, check: str, words: str, published: str
) -> None:
    """It is ours, and the very record to publish is given: name, type and value."""
    clinic.break_it(preset)
    found = (await clinic.look())[check]
    assert (found.state, found.whose) == ("bad", "ours")
    assert words in found.text
    assert found.cure
    [record] = found.publish
    assert record.type == "TXT"
    assert record.name.endswith(DOMAIN)
    assert record.value.startswith(published)


async def test_many_look_ups_are_too_many(clinic: Clinic) -> None:
    """Eleven look-ups: receivers give up, whoever is included."""
    eleven = "v=spf1 include:amazonses.com " + " ".join(f"a:h{n}.example" for n in range(10))
    clinic.running.world.names.put(f"send.{DOMAIN}", "TXT", [f"{eleven} ~all"])
    found = (await clinic.look())["SPF"]
    assert (found.state, found.whose) == ("bad", "ours")
    assert "over 10 look-ups" in found.text


async def test_a_domain_that_is_gone_is_ours(clinic: Clinic) -> None:
    """NXDOMAIN reads as missing records; SERVFAIL as our zone's fault; silence as nobody's."""
    clinic.break_it("no_name")
    assert "has no key" in (await clinic.look())["DKIM"].text
    clinic.running.world.names.heal()
    clinic.break_it("failed")
    found = (await clinic.look())["DKIM"]
    assert (found.whose, found.cure) == ("ours", "mend the zone, DNSSEC first")
    clinic.running.world.names.heal()
    clinic.break_it("timeout")
    found = (await clinic.look())["DKIM"]
    assert (found.state, found.whose) == ("warning", None)


async def test_without_its_key_a_strict_policy_refuses_our_mail(clinic: Clinic) -> None:
    """DKIM gone, SPF not aligned by a strict policy: receivers do as the policy says."""
    clinic.break_it("dkim_wrong")
    policy = "v=DMARC1; p=reject; aspf=s; rua=mailto:a@b.example"
    clinic.running.world.names.put(f"_dmarc.{DOMAIN}", "TXT", [policy])
    found = (await clinic.look())["DMARC"]
    assert found.state == "bad"
    assert "receivers reject it" in found.text


async def test_a_domain_nobody_added(clinic: Clinic) -> None:
    """A sender whose domain is not at Resend: one finding says where to add it."""
    clinic.sender = "Clinic <hello@other.example>"
    found = await clinic.look()
    assert "does not know other.example" in found["domain at Resend"].text
    assert "https://resend.com/domains" in (found["domain at Resend"].cure or "")


async def test_a_key_that_may_only_send_cannot_ask(clinic: Clinic) -> None:
    """It says so and goes on with what every domain needs; the key is not compared."""
    clinic.customer(permission="sending_access")
    found = await clinic.look()
    assert "does not let this key ask" in found["domain at Resend"].text
    assert found["SPF"].state == "good"
    assert "not compared" in found["DKIM"].text
    clinic.break_it("spf_missing")
    assert (await clinic.look())["SPF"].publish[0].value == "v=spf1 include:amazonses.com ~all"


async def test_a_provider_that_fails_leaves_the_dns(clinic: Clinic) -> None:
    """Whatever Resend answers, the DNS is held against what it wants of every domain."""
    clinic.running.world.break_it("email", "resend", "down")
    found = await clinic.look()
    assert {check: f.state for check, f in found.items()} == dict.fromkeys(
        ("return path", "SPF", "DKIM", "DMARC"), "good"
    )


# Without a network ---------------------------------------------------------------------------


async def no_names(_name: str, _kind: str) -> DnsAnswer:
    return DnsAnswer("no_name")


@pytest.mark.parametrize(
    ("text", "ends", "lookups", "missing", "unreadable"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "-", 0, (), ()),
        ("v=spf1 a mx/24 ?all", "?", 2, (), ()),
        ("v=spf1 include:Gone.example. ~all", "~", 1, ("gone.example",), ()),
        ("v=spf1 redirect=gone.example", None, 1, ("gone.example",), ()),
        ("v=spf1 all", "+", 0, (), ()),
        ("v=spf1 ipv4:192.0.2.1 -all", "-", 0, (), ("ipv4:192.0.2.1",)),
    ],
)
async def test_spf_is_read_as_a_receiver_does(
    text: str, ends: str | None, lookups: int, missing: tuple[str, ...], unreadable: tuple[str, ...]
) -> None:
    """Qualifiers, look-ups, includes that lead nowhere, and what is no mechanism."""
    spf = await read_spf(text, no_names)
    assert (spf.ends, spf.lookups, spf.missing, spf.unreadable) == (
        ends,
        lookups,
        missing,
        unreadable,
    )


async def test_policies_that_include_each_other_end() -> None:
    """A circle is walked once."""

    async def circle(name: str, _kind: str) -> DnsAnswer:
        other = "b.example" if name == "a.example" else "a.example"
        return DnsAnswer("found", (f"v=spf1 include:{other} -all",))

    spf = await read_spf("v=spf1 include:a.example -all", circle)
    assert spf.lookups == 3


@pytest.mark.parametrize(
    ("policy", "state", "words"),
    [
        ("v=DMARC1; p=reject; rua=mailto:a@b.example", "good", "p=reject"),
        ("v=DMARC1;p=none;rua=mailto:a@b.example", "warning", "only reports"),
        ("v=DMARC1; p=quarantine", "warning", "nobody gets the reports"),
        ("v=DMARC1; rua=mailto:a@b.example", "bad", "no readable p="),
    ],
)
def test_dmarc_policies(policy: str, state: str, words: str) -> None:
    """What a policy asks, and what it lacks."""
    answer = DnsAnswer("found", (policy,))
    found = judge_dmarc("a.example", answer, signed=True, return_path="send.a.example")
    assert found.state == state
    assert words in found.text


@pytest.mark.parametrize(
    ("name", "domain", "whole"),
    [
        ("send", "example.org", "send.example.org"),
        ("send.updates", "updates.example.org", "send.updates.example.org"),
        ("send", "updates.example.org", "send.updates.example.org"),
        ("send.example.org", "example.org", "send.example.org"),
        ("@", "example.org", "example.org"),
    ],
)
def test_a_records_name_in_full(name: str, domain: str, whole: str) -> None:
    """Relative to the domain, or already holding part of it."""
    assert whole_name(name, domain) == whole


def test_newer_domains_point_instead_of_publishing() -> None:
    """A CNAME in the place of MX and TXT is expected as what it is."""
    body = {
        "name": "Example.org",
        "status": "partially_verified",
        "records": [
            {"record": "SPF", "name": "send", "type": "CNAME", "value": "x.resend-dns.example"},
            {"record": "DKIM", "name": "resend._domainkey", "type": "TXT", "value": "p=abc"},
        ],
    }
    domain = domain_of(Answer(200, {}, json.dumps(body).encode()))
    assert (domain.name, domain.ready) == ("example.org", False)
    assert [(e.purpose, e.record.type) for e in domain.expected] == [
        ("spf", "CNAME"),
        ("dkim", "TXT"),
    ]


def test_the_senders_domain() -> None:
    """With or without a name before it."""
    assert sender_domain("Clinic <No-Reply@Mail.Example.org>") == "mail.example.org"
    assert sender_domain("nobody") == ""
