"""Each record of the sending domain as it is, held against what it should be."""

from __future__ import annotations

import base64
import binascii

from mentalspace.integrations.email.domain.expected import Expected, SendingDomain
from mentalspace.integrations.email.domain.spf import MOST_LOOKUPS, Spf, policies
from mentalspace.integrations.email.domain.tags import read_tags
from mentalspace.kernel.checkup import DnsAnswer, DnsRecord, Finding

# A DNS answer that is no answer: what it means, and whose it is.
_NO_ANSWER = {
    "timeout": "the DNS gave no answer in time",
    "failed": "the domain's name servers fail (SERVFAIL)",
}


def judge_domain(domain: SendingDomain, provider: str) -> Finding:
    """What the provider itself says of the domain."""
    check = f"domain at {provider}"
    if domain.ready is None:
        text = (
            f"{provider} does not let this key ask; the DNS is held against what it usually wants"
        )
        return Finding(check, "good", text)
    if domain.ready:
        return Finding(check, "good", domain.status or "verified")
    if not domain.expected:
        cure = f"add {domain.name} at {domain.add_at}, then publish the records it shows"
        return Finding(check, "bad", f"{provider} does not know {domain.name}", "ours", cure)
    text = f"{provider} calls it {(domain.status or 'not verified').replace('_', ' ')}"
    cure = f"publish what is missing below, then press Verify at {domain.add_at}"
    return Finding(check, "bad", text, "ours", cure)


def judge_alias(expected: Expected, answer: DnsAnswer, check: str) -> Finding:
    """A CNAME: the provider keeps the record itself, and we only point to it."""
    record = expected.record
    if silent := _silent(check, answer, record.name):
        return silent
    seen = [value.lower().rstrip(".") for value in answer.values]
    if seen == [record.value.lower().rstrip(".")]:
        return Finding(check, "good", f"{record.name} points to {record.value}")
    text = f"{record.name} points to {seen[0]}" if seen else f"{record.name} points nowhere"
    return Finding(check, "bad", text, "ours", "publish the alias", (record,))


def judge_mx(expected: Expected, answer: DnsAnswer) -> Finding:
    """Bounces come back over this one; without it nobody hears of them."""
    check, record = "return path", expected.record
    if silent := _silent(check, answer, record.name):
        return silent
    hosts = [value.partition(" ")[2].lower() for value in answer.values]
    publish = (record,) if record.value else ()
    if not hosts:
        text = f"{record.name} has no MX: bounces do not come back"
        return Finding(check, "bad", text, "ours", "publish the MX", publish)
    if record.value and record.value.lower().rstrip(".") not in hosts:
        text = f"{record.name} has the MX {hosts[0]}, not the provider's"
        return Finding(check, "bad", text, "ours", "replace the MX", publish)
    return Finding(check, "good", f"{record.name} MX {hosts[0]}")


def judge_spf(name: str, wanted: DnsRecord | None, answer: DnsAnswer, spf: Spf | None) -> Finding:
    """One policy that names the provider, needs few look-ups, and ends in ~all or -all."""
    check = "SPF"
    if silent := _silent(check, answer, name):
        return silent
    found, publish = policies(answer), (wanted,) if wanted else ()
    if not found:
        text = f"{name} has no SPF record"
        return Finding(check, "bad", text, "ours", "publish the record", publish)
    if len(found) > 1:
        text = f"{name} has {len(found)} SPF records, which makes all of them void"
        return Finding(check, "bad", text, "ours", "keep one, with everybody's mechanisms", publish)
    assert spf is not None, "exactly one policy was found and read"
    lacking = sorted(_includes(wanted) - set(spf.includes))
    if lacking:
        text = f"{name} does not include {', '.join(lacking)}: receivers call our mail forged"
        cure = f"put include:{lacking[0]} into it, before {spf.ends or '~'}all"
        return Finding(check, "bad", text, "ours", cure, publish)
    if problem := _spf_problem(spf):
        return Finding(check, "bad", f"{name}: {problem[0]}", "ours", problem[1], publish)
    if spf.ends not in ("-", "~"):
        said = f"{spf.ends}all" if spf.ends else "no all"
        text = f"{name} ends with {said}, which tells receivers nothing"
        return Finding(check, "warning", text, "ours", "end it with ~all or -all", publish)
    return Finding(check, "good", f"{name} {spf.text}, {_many(spf.lookups)} of {MOST_LOOKUPS}")


def judge_dkim(expected: Expected, answer: DnsAnswer) -> Finding:
    """The very key the provider signs with, whole."""
    check, record = "DKIM", expected.record
    if silent := _silent(check, answer, record.name):
        return silent
    publish = (record,) if record.value else ()
    keys = [value for value in answer.values if "p" in read_tags(value)]
    if not keys:
        text = f"{record.name} has no key: nobody can check a signature"
        return Finding(check, "bad", text, "ours", "publish the key", publish)
    if len(keys) > 1:
        text = f"{record.name} has {len(keys)} keys, and receivers take any"
        return Finding(check, "bad", text, "ours", "keep the provider's alone", publish)
    seen, wanted = _key(keys[0]), _key(record.value)
    if not seen:
        text = f"{record.name} is revoked (p= is empty)"
        return Finding(check, "bad", text, "ours", "publish the key", publish)
    if wanted and seen != wanted:
        short = wanted.startswith(seen)
        wrong = f"cut short, {len(seen)} of {len(wanted)} characters" if short else "another key"
        cure = "publish the whole value; long ones go in pieces of 255" if short else "replace it"
        return Finding(check, "bad", f"{record.name} is {wrong}", "ours", cure, publish)
    if not _decodes(seen):
        text = f"{record.name} is no key: its p= does not decode"
        return Finding(check, "bad", text, "ours", "publish the key", publish)
    known = "" if wanted else ", not compared"
    return Finding(check, "good", f"{record.name} has the key{known}")


def judge_dmarc(domain: str, answer: DnsAnswer, *, signed: bool, return_path: str) -> Finding:
    """A policy, what it asks of receivers, and whether our mail aligns with it.

    `signed` is whether the DKIM key of the domain itself is good; `return_path` is the domain
    that SPF speaks for.
    """
    check, name = "DMARC", f"_dmarc.{domain}"
    if silent := _silent(check, answer, name):
        return silent
    advice = DnsRecord("TXT", name, f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")
    found = [v for v in answer.values if v.replace(" ", "").lower().startswith("v=dmarc1")]
    if not found:
        text = f"{name} has no policy: large receivers ask for one"
        cure = "publish one that only reports, and tighten it once the reports are clean"
        return Finding(check, "bad", text, "ours", cure, (advice,))
    if len(found) > 1:
        text = f"{name} has {len(found)} policies, so receivers apply none"
        return Finding(check, "bad", text, "ours", "keep one")
    tags = read_tags(found[0])
    policy = tags.get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        text = f"{name} has no readable p= ({policy or 'none given'})"
        return Finding(check, "bad", text, "ours", "give p=none, quarantine or reject", (advice,))
    by = _aligned(tags, domain, signed, return_path)
    if not by and policy != "none":
        text = f"p={policy}, and nothing of our mail aligns with it: receivers {policy} it"
        return Finding(check, "bad", text, "ours", "mend DKIM first")
    if "rua" not in tags:
        wanted = DnsRecord("TXT", name, f"{found[0].rstrip('; ')}; rua=mailto:dmarc@{domain}")
        text = f"p={policy}, but nobody gets the reports (no rua)"
        return Finding(check, "warning", text, "ours", "name an address", (wanted,))
    if policy == "none":
        text = f"p=none only reports; aligned by {by or 'nothing'}"
        return Finding(
            check, "warning", text, "ours", "ask for p=quarantine once reports are clean"
        )
    return Finding(
        check, "good", f"p={policy}, aligned by {by}, reports to {_address(tags['rua'])}"
    )


def _aligned(tags: dict[str, str], domain: str, signed: bool, return_path: str) -> str:
    """DKIM signs as the domain itself; SPF speaks for the return path, which lies beside it."""
    strict = tags.get("aspf", "r").lower() == "s"
    related = f".{domain}".endswith(f".{return_path.partition('.')[2]}")
    by_spf = return_path == domain or (related and not strict)
    return " and ".join(word for word, holds in (("DKIM", signed), ("SPF", by_spf)) if holds)


def _address(rua: str) -> str:
    return rua.partition(",")[0].strip().removeprefix("mailto:")[:60]


def _spf_problem(spf: Spf) -> tuple[str, str] | None:
    """What makes a receiver give up on it, and the cure."""
    if spf.unreadable:
        return f"{spf.unreadable[0]!r} is no mechanism, which makes it void", "remove it"
    if spf.missing:
        return f"it includes {spf.missing[0]}, which has no policy", "remove or mend the include"
    if spf.lookups > MOST_LOOKUPS:
        text = f"it needs over {MOST_LOOKUPS} look-ups, where receivers give up"
        return text, "drop includes nobody sends through any more"
    if spf.ends == "+":
        return "it ends with +all: anybody may send as us", "end it with ~all or -all"
    return None


def _silent(check: str, answer: DnsAnswer, name: str) -> Finding | None:
    if answer.state not in _NO_ANSWER:
        return None
    whose, cure = None, "ask again; if it lasts, look at this machine's resolver"
    if answer.state == "failed":
        return Finding(
            check, "bad", f"{name}: {_NO_ANSWER['failed']}", "ours", "mend the zone, DNSSEC first"
        )
    return Finding(check, "warning", f"{name}: {_NO_ANSWER['timeout']}", whose, cure)


def _includes(record: DnsRecord | None) -> set[str]:
    words = record.value.lower().split() if record else []
    return {word.removeprefix("include:") for word in words if word.startswith("include:")}


def _key(text: str) -> str:
    """What stands after p=, however the record wraps it."""
    return "".join(read_tags(text).get("p", "").split())


def _decodes(key: str) -> bool:
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _many(lookups: int) -> str:
    return f"{lookups} look-up{'s'[: lookups != 1]}"
