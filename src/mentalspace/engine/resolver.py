"""Asks the DNS, each question under its deadline: the system's servers, or one on this machine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver

from mentalspace.kernel.checkup import DnsAnswer

DEADLINE_S = 3.0


@dataclass(frozen=True, slots=True)
class Resolver:
    """`server` is (address, port); None asks whom the system asks."""

    server: tuple[str, int] | None
    deadline_s: float = DEADLINE_S

    async def look_up(self, name: str, kind: str) -> DnsAnswer:
        """The records of a name, through its aliases. Says so when nobody answers."""
        try:
            async with asyncio.timeout(self.deadline_s + 0.5):
                answer = await _resolver(self.server).resolve(
                    name, kind, search=False, lifetime=self.deadline_s
                )
        except dns.resolver.NXDOMAIN:
            return DnsAnswer("no_name")
        except dns.resolver.NoAnswer:
            return DnsAnswer("empty")
        except (dns.exception.Timeout, TimeoutError):
            return DnsAnswer("timeout")
        except dns.resolver.NoNameservers as error:
            return DnsAnswer("failed" if _said_so(error) else "timeout")
        except (dns.exception.DNSException, OSError, ValueError):
            return DnsAnswer("failed")
        return DnsAnswer("found", tuple(_text(record, kind) for record in answer))


def _said_so(error: dns.resolver.NoNameservers) -> bool:
    """Whether a server answered that it failed, rather than none being there to ask."""
    tried = error.kwargs.get("errors") or []
    return any(attempt[4] is not None for attempt in tried)


def _resolver(server: tuple[str, int] | None) -> dns.asyncresolver.Resolver:
    if server is None:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [server[0]]
    resolver.port = server[1]
    return resolver


def _text(record: Any, kind: str) -> str:
    match kind:
        case "TXT":
            # A long text comes in pieces, which are one text.
            return b"".join(record.strings).decode("utf-8", "replace")
        case "MX":
            return f"{record.preference} {_name(record.exchange)}"
        case "CNAME":
            return _name(record.target)
    return str(record)


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
