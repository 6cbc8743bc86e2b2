"""A name server on this machine: what the emulated domains publish, and what is broken of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from mentalspace.emulator.journal import Journal, Record
from mentalspace.kernel.errors import Refused

TTL_S = 60
_PIECE = 255
_LONGEST_ALIAS = 8

Silence = Literal["no_name", "failed", "timeout"]


@dataclass(frozen=True, slots=True)
class Published:
    """One record; `name` is whole, in lower case, without the dot at its end."""

    name: str
    type: str
    value: str
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class DnsPreset:
    """A way to break a domain that a person picks from a list."""

    name: str
    title: str
    explanation: str
    apply: Callable[[NameServer, str], None]


class NameServer:
    """Answers over UDP and TCP for every domain that `published` names; others do not exist.

    Changes are journalled, so they outlive the process, and lie over what is published.
    """

    def __init__(self, journal: Journal, published: Callable[[], Iterable[Published]]) -> None:
        self._published = published
        self._journal = journal
        self._changed: dict[tuple[str, str], tuple[str, ...]] = {}
        self._silent: dict[str, Silence] = {}
        self._labels: dict[str, str] = {}
        self._server: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        journal.on("dns", self._apply)

    @property
    def domains(self) -> list[str]:
        """Whose mail may be broken: those with a DMARC policy of their own."""
        names = {r.name for r in self._published() if r.name.startswith("_dmarc.")}
        return sorted(name.removeprefix("_dmarc.") for name in names)

    @property
    def broken(self) -> list[str]:
        """What is changed, in words; empty when all is as published."""
        return list(self._labels.values())

    def records(self) -> list[Published]:
        """As the server would answer, the changes included; silent names are still listed."""
        kept = [r for r in self._published() if (r.name, r.type) not in self._changed]
        for (name, kind), values in self._changed.items():
            kept += [_published(name, kind, value) for value in values]
        return kept

    def put(self, name: str, kind: str, values: Iterable[str], label: str | None = None) -> None:
        """Publish these values instead; none at all drops the records. Raises Refused."""
        values = list(values)
        for value in values:
            _checked(_published(name.lower(), kind, value))
        said = label or f"{name} {kind}: {len(values) or 'no'} record{'s'[: len(values) != 1]}"
        self._journal.emit("dns", do="put", name=name.lower(), type=kind, values=values, label=said)

    def silence(self, name: str, how: Silence, label: str | None = None) -> None:
        """A name, and all under it, that is not there, cannot be told, or gets no answer."""
        said = label or f"{name}: {how.replace('_', ' ')}"
        self._journal.emit("dns", do="silence", name=name.lower(), how=how, label=said)

    def break_it(self, domain: str, preset: str) -> None:
        """Put a preset in force for a domain. Raises Refused for either that is not known."""
        if preset not in DNS_PRESETS:
            raise Refused("unknown_preset", f"preset: use one of {', '.join(DNS_PRESETS)}")
        if domain not in self.domains:
            known = ", ".join(self.domains) or "none"
            raise Refused("unknown_domain", f"{domain}: no such domain here, only {known}")
        DNS_PRESETS[preset].apply(self, domain)

    def heal(self) -> int:
        """As published again; how many changes went."""
        went = len(self._labels)
        self._journal.emit("dns", do="heal")
        return went

    def under(self, domain: str, kind: str, begins: str = "", inside: str = "") -> Published:
        """The domain's first published record of that shape. Raises Refused if it has none."""
        for record in self._published():
            mine = record.name == domain or record.name.endswith(f".{domain}")
            fits = record.value.startswith(begins) and inside in record.name
            if mine and record.type == kind and fits:
                return record
        raise Refused("no_such_record", f"{domain} publishes no such record to break")

    async def listen(self, host: str, port: int) -> int:
        """Answer from now on; the port, a free one for 0. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._converse, host, port)
        taken: int = self._server.sockets[0].getsockname()[1]
        self._udp, _protocol = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._reply), local_addr=(host, taken)
        )
        return taken

    async def close(self) -> None:
        if self._udp is not None:
            self._udp.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    # Answers -------------------------------------------------------------------------------------

    def _reply(self, raw: bytes, limit: int | None = None) -> bytes | None:
        """The answer's bytes, cut to fit a datagram; None for what gets no answer."""
        try:
            query = dns.message.from_wire(raw)
        except dns.exception.DNSException:
            return None
        answer = self.answer(query)
        if answer is None:
            return None
        size = 65_535 if limit is None else max(limit, query.payload)
        return answer.to_wire(max_size=size, prefer_truncation=True)

    def answer(self, query: dns.message.Message) -> dns.message.Message | None:
        """What an authoritative server says, aliases followed; None is no answer at all."""
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
            return response
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        match self._silence_of(name):
            case "timeout":
                return None
            case "failed":
                response.set_rcode(dns.rcode.SERVFAIL)
                return response
            case "no_name":
                response.set_rcode(dns.rcode.NXDOMAIN)
                return response
        self._fill(response, name, kind)
        return response

    def _fill(self, response: dns.message.Message, name: str, kind: str) -> None:
        records = self.records()
        for _ in range(_LONGEST_ALIAS):
            here = [r for r in records if r.name == name]
            found = [r for r in here if r.type == kind]
            alias = next((r for r in here if r.type == "CNAME"), None)
            if found:
                response.answer.append(_rrset(found))
            if found or alias is None:
                break
            response.answer.append(_rrset([alias]))
            name = alias.value.lower().rstrip(".")
        if not response.answer and not any(_is_under(r.name, name) for r in records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _silence_of(self, name: str) -> Silence | None:
        return next((how for over, how in self._silent.items() if _is_under(name, over)), None)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Questions over one TCP connection, each behind its length."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                reply = self._reply(await reader.readexactly(length))
                if reply is not None:
                    writer.write(len(reply).to_bytes(2) + reply)
                    await writer.drain()
        writer.close()

    def _apply(self, record: Record) -> None:
        match record["do"]:
            case "put":
                key = (record["name"], record["type"])
                self._changed[key] = tuple(record["values"])
                self._labels[f"{key[0]} {key[1]}"] = record["label"]
            case "silence":
                self._silent[record["name"]] = record["how"]
                self._labels[record["name"]] = record["label"]
            case "heal":
                self._changed.clear()
                self._silent.clear()
                self._labels.clear()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Callable[[bytes, int], bytes | None]) -> None:
        self._reply = reply
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        reply = self._reply(data, 512)
        if reply is not None:
            self._transport.sendto(reply, addr)


def _published(name: str, kind: str, value: str) -> Published:
    """A control call's value; an MX's begins with its priority."""
    if kind == "MX":
        priority, _, host = value.partition(" ")
        if not priority.isdigit():
            raise Refused("bad_record", "MX: write the priority and the host, such as 10 mx.host")
        return Published(name, kind, host.strip(), int(priority))
    return Published(name, kind, value)


def _checked(record: Published) -> dns.rrset.RRset:
    try:
        return _rrset([record])
    except (dns.exception.DNSException, ValueError) as error:
        raise Refused("bad_record", f"{record.name} {record.type}: no such record") from error


def _rrset(records: list[Published]) -> dns.rrset.RRset:
    return dns.rrset.from_text(
        f"{records[0].name}.",
        TTL_S,
        dns.rdataclass.IN,
        records[0].type,
        *(_rdata(record) for record in records),
    )


def _rdata(record: Published) -> str:
    match record.type:
        case "TXT":
            raw = record.value.replace("\\", "\\\\").replace('"', '\\"')
            pieces = [raw[at : at + _PIECE] for at in range(0, len(raw), _PIECE)] or [""]
            return " ".join(f'"{piece}"' for piece in pieces)
        case "MX":
            return f"{record.priority or 0} {record.value.rstrip('.')}."
        case "CNAME":
            return f"{record.value.rstrip('.')}."
    return record.value


def _is_under(name: str, over: str) -> bool:
    return name == over or name.endswith(f".{over}")


# Presets ------------------------------------------------------------------------------------------


def _spf(server: NameServer, domain: str, values: list[str], label: str) -> None:
    server.put(server.under(domain, "TXT", "v=spf1").name, "TXT", values, f"{domain}: {label}")


def _dkim(server: NameServer, domain: str, change: Callable[[str], list[str]], label: str) -> None:
    record = server.under(domain, "TXT", inside="._domainkey.")
    server.put(record.name, "TXT", change(record.value), f"{domain}: {label}")


def _dmarc(server: NameServer, domain: str, values: list[str], label: str) -> None:
    server.put(f"_dmarc.{domain}", "TXT", values, f"{domain}: {label}")


_OTHER_KEY = "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7anotherkeyentirelyIDAQAB"
_MANY = "v=spf1 " + " ".join(f"a:h{n}.example" for n in range(11)) + " ~all"

DNS_PRESETS: Mapping[str, DnsPreset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            DnsPreset(
                "spf_missing",
                "No SPF record",
                "The record that allows the provider to send is gone.",
                lambda s, d: _spf(s, d, [], "no SPF record"),
            ),
            DnsPreset(
                "spf_twice",
                "Two SPF records",
                "A second one was added beside the first, which makes both void.",
                lambda s, d: _spf(
                    s,
                    d,
                    [s.under(d, "TXT", "v=spf1").value, "v=spf1 include:other.example -all"],
                    "two SPF records",
                ),
            ),
            DnsPreset(
                "spf_other",
                "SPF without the provider",
                "The record is there, and allows somebody else.",
                lambda s, d: _spf(s, d, ["v=spf1 ip4:192.0.2.1 -all"], "SPF without the provider"),
            ),
            DnsPreset(
                "spf_long",
                "SPF with too many look-ups",
                "Over ten look-ups, after which receivers give up.",
                lambda s, d: _spf(s, d, [_MANY], "SPF with eleven look-ups"),
            ),
            DnsPreset(
                "dkim_missing",
                "No DKIM key",
                "The key that proves a signature is gone.",
                lambda s, d: _dkim(s, d, lambda _v: [], "no DKIM key"),
            ),
            DnsPreset(
                "dkim_wrong",
                "Another DKIM key",
                "A key is there, and it is not the provider's.",
                lambda s, d: _dkim(s, d, lambda _v: [_OTHER_KEY], "another DKIM key"),
            ),
            DnsPreset(
                "dkim_cut",
                "A DKIM key cut short",
                "The form it was pasted into kept only its beginning.",
                lambda s, d: _dkim(s, d, lambda v: [v[:120]], "a DKIM key cut short"),
            ),
            DnsPreset(
                "dmarc_missing",
                "No DMARC policy",
                "Receivers are told nothing of mail that proves nothing.",
                lambda s, d: _dmarc(s, d, [], "no DMARC policy"),
            ),
            DnsPreset(
                "no_name",
                "The domain is gone",
                "As after it expired: no name of it exists (NXDOMAIN).",
                lambda s, d: s.silence(d, "no_name", f"{d}: the domain is gone"),
            ),
            DnsPreset(
                "failed",
                "Its name servers fail",
                "SERVFAIL for every question, as with a broken DNSSEC chain.",
                lambda s, d: s.silence(d, "failed", f"{d}: its name servers fail"),
            ),
            DnsPreset(
                "timeout",
                "No answer from the DNS",
                "Questions about the domain are never answered.",
                lambda s, d: s.silence(d, "timeout", f"{d}: no answer from the DNS"),
            ),
        )
    }
)
