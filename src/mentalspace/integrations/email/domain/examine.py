"""The email room's own part of the doctor: may we send as this domain, and will it be believed?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mentalspace.integrations.email.domain.expected import (
    DEFAULT_SENDER,
    Expected,
    KnowsDomain,
    SendingDomain,
    sender_domain,
)
from mentalspace.integrations.email.domain.judge import (
    judge_alias,
    judge_dkim,
    judge_dmarc,
    judge_domain,
    judge_mx,
    judge_spf,
)
from mentalspace.integrations.email.domain.spf import policies, read_spf
from mentalspace.kernel.checkup import Finding, LookUp
from mentalspace.kernel.errors import ProviderError, Refused
from mentalspace.kernel.integration import Checkup

# Two questions to the provider; the DNS is looked at with or without its answers.
ASK_WITHIN_S = 5.0


async def examine(checkup: Checkup) -> Sequence[Finding]:
    """The domain of EMAIL_FROM: at the provider, and in the DNS, expected against seen."""
    sender = checkup.environment.get("EMAIL_FROM") or DEFAULT_SENDER
    name = sender_domain(sender)
    if not name:
        cure = "set EMAIL_FROM to an address, such as noreply@your.domain"
        return [Finding("sender", "bad", "EMAIL_FROM names no domain", "ours", cure)]
    if not isinstance(checkup.adapter, KnowsDomain):
        return await _without_provider(name, checkup.look_up)
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            domain = await checkup.adapter.sending_domain(name)
    except (ProviderError, Refused, TimeoutError):
        # Why it does not answer is the provider check's to say.
        return await _records(checkup.adapter.usual_domain(name), checkup.look_up)
    findings = [judge_domain(domain, checkup.provider_title)]
    return findings + await _records(domain, checkup.look_up)


async def _records(domain: SendingDomain, look_up: LookUp) -> list[Finding]:
    asked = [_one(expected, look_up) for expected in domain.expected]
    findings = list(await asyncio.gather(*asked))
    signed = any(f.check == "DKIM" and f.state == "good" for f in findings)
    spf = [e.record.name for e in domain.expected if e.purpose == "spf"]
    return_path = spf[0] if spf else domain.name
    return [*findings, await _dmarc(domain.name, look_up, signed=signed, return_path=return_path)]


async def _one(expected: Expected, look_up: LookUp) -> Finding:
    record = expected.record
    if record.type == "CNAME":
        check = {"spf": "SPF", "dkim": "DKIM", "mx": "return path"}.get(expected.purpose, "alias")
        return judge_alias(expected, await look_up(record.name, "CNAME"), check)
    answer = await look_up(record.name, record.type)
    match expected.purpose:
        case "mx":
            return judge_mx(expected, answer)
        case "dkim":
            return judge_dkim(expected, answer)
    found = policies(answer)
    spf = await read_spf(found[0], look_up) if len(found) == 1 else None
    return judge_spf(record.name, record, answer, spf)


async def _without_provider(name: str, look_up: LookUp) -> list[Finding]:
    """What can be said of a domain whose provider tells no records: SPF and DMARC."""
    answer = await look_up(name, "TXT")
    found = policies(answer)
    spf = await read_spf(found[0], look_up) if len(found) == 1 else None
    judged = judge_spf(name, None, answer, spf)
    if answer.state not in ("failed", "timeout") and not found:
        # Whether it needs one is the relay's own business, which it does not tell.
        cure = "publish the SPF record that the relay asks for"
        judged = replace(judged, state="warning", cure=cure)
    findings = [judged]
    return [*findings, await _dmarc(name, look_up, signed=False, return_path=name)]


async def _dmarc(domain: str, look_up: LookUp, *, signed: bool, return_path: str) -> Finding:
    """Of the domain itself, else of the one above it, whose policy then counts."""
    answer = await look_up(f"_dmarc.{domain}", "TXT")
    above = domain.partition(".")[2]
    if answer.state in ("empty", "no_name") and "." in above:
        inherited = await look_up(f"_dmarc.{above}", "TXT")
        if inherited.state == "found":
            answer = inherited
    return judge_dmarc(domain, answer, signed=signed, return_path=return_path)
