"""What a domain must publish in DNS before Resend sends for it."""

from __future__ import annotations

import base64
import functools
import random
from collections.abc import Iterable
from typing import Any

from mentalspace.emulator.dns import Published

Json = dict[str, Any]

RETURN_PATH = "send"


# source: https://resend.com/docs/api-reference/domains/get-domain
def dns_records(
    domain: str,
    *,
    region: str = "us-east-1",
    return_path: str = RETURN_PATH,
    tracking_subdomain: str | None = None,
    status: str = "verified",
) -> list[Json]:
    """As the single domain shows them. `name` is relative to `domain`; `ttl` is always Auto.

    The DKIM key differs from domain to domain and is the same at every call.
    """
    usual = {"ttl": "Auto", "status": status}
    records: list[Json] = [
        {
            "record": "SPF",
            "name": return_path,
            "type": "MX",
            "value": f"feedback-smtp.{region}.amazonses.com",
            "priority": 10,
            **usual,
        },
        {
            "record": "SPF",
            "name": return_path,
            "type": "TXT",
            "value": "v=spf1 include:amazonses.com ~all",
            **usual,
        },
        {
            "record": "DKIM",
            "name": "resend._domainkey",
            "type": "TXT",
            "value": f"p={_dkim_key(domain)}",
            **usual,
        },
    ]
    if tracking_subdomain:
        # source: resend-openapi, schema DomainRecord; the value is our guess
        records.append(
            {
                "record": "Tracking",
                "name": tracking_subdomain,
                "type": "CNAME",
                "value": "links1.resend-dns.com",
                **usual,
            }
        )
    return records


@functools.cache
def _dkim_key(domain: str) -> str:
    """A 1024-bit RSA public key's shape; nothing is ever signed with it."""
    head = base64.b64decode("MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ==")
    modulus = b"\x00" + bytes([0xC3]) + random.Random(domain).randbytes(127)
    return base64.b64encode(head + modulus + b"\x02\x03\x01\x00\x01").decode()


# What amazonses.com, the include's target, publishes itself; the ranges are documentation's.
SPF_OF_THE_INCLUDE = Published("amazonses.com", "TXT", "v=spf1 ip4:192.0.2.0/24 -all")


def published(domain: str, records: Iterable[Json]) -> list[Published]:
    """The records of a domain whose owner did all that was asked, and what a well-kept one has
    besides: an SPF record of its own, and a DMARC policy."""
    return [
        *(
            Published(f"{r['name']}.{domain}", r["type"], r["value"], r.get("priority"))
            for r in records
        ),
        Published(domain, "TXT", "v=spf1 include:amazonses.com ~all"),
        Published(f"_dmarc.{domain}", "TXT", f"v=DMARC1; p=quarantine; rua=mailto:dmarc@{domain}"),
    ]
