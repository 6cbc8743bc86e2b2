"""The name server on this machine, asked by the resolver that production uses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.flags
import dns.message
import pytest

from mentalspace.emulator.dns import DNS_PRESETS, NameServer, Published
from mentalspace.emulator.journal import Journal
from mentalspace.engine.resolver import Resolver
from mentalspace.kernel.errors import Refused

LONG = "v=DKIM1; p=" + "A" * 900
RECORDS = (
    Published("send.clinic.example", "MX", "feedback.mail.example", 10),
    Published("send.clinic.example", "TXT", "v=spf1 include:mail.example ~all"),
    Published("k._domainkey.clinic.example", "TXT", LONG),
    Published("_dmarc.clinic.example", "TXT", "v=DMARC1; p=none"),
    Published("alias.clinic.example", "CNAME", "send.clinic.example"),
    Published("mail.example", "TXT", 'v=spf1 -all "quoted"'),
)


@dataclass(slots=True)
class Served:
    server: NameServer
    resolver: Resolver
    port: int

    async def ask(self, name: str, kind: str = "TXT") -> tuple[str, tuple[str, ...]]:
        answer = await self.resolver.look_up(name, kind)
        return answer.state, answer.values


def published() -> Iterable[Published]:
    return RECORDS


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    journal = Journal(tmp_path)
    server = NameServer(journal, published)
    journal.load()
    port = await server.listen("127.0.0.1", 0)
    yield Served(server, Resolver(("127.0.0.1", port), deadline_s=0.4), port)
    await server.close()
    await journal.close()


async def test_it_answers_what_is_published(served: Served) -> None:
    """Texts, mail exchangers and aliases; a name without the type is not a missing name."""
    assert await served.ask("SEND.clinic.example", "MX") == ("found", ("10 feedback.mail.example",))
    assert await served.ask("alias.clinic.example") == ("found", (RECORDS[1].value,))
    assert await served.ask("alias.clinic.example", "CNAME") == ("found", ("send.clinic.example",))
    assert await served.ask("mail.example") == ("found", (RECORDS[5].value,))
    assert (await served.ask("send.clinic.example", "A"))[0] == "empty"
    assert (await served.ask("clinic.example"))[0] == "empty", "there are names under it"
    assert (await served.ask("elsewhere.example"))[0] == "no_name"


async def test_what_is_too_long_for_a_datagram_comes_over_tcp(served: Served) -> None:
    """A long key is cut in the datagram, marked so, and whole over TCP."""
    query = dns.message.make_query("k._domainkey.clinic.example", "TXT", use_edns=False)
    cut = await dns.asyncquery.udp(query, "127.0.0.1", port=served.port, timeout=2)
    assert cut.flags & dns.flags.TC
    assert await served.ask("k._domainkey.clinic.example") == ("found", (LONG,))


async def test_what_is_no_question_gets_no_answer(served: Served) -> None:
    """Garbage over both protocols leaves the server alive."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(b"\x00\x03abc")
    await writer.drain()
    writer.close()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", served.port)
    )
    transport.sendto(b"abc")
    transport.close()
    assert (await served.ask("mail.example"))[0] == "found"
    assert await reader.read() == b""


@pytest.mark.parametrize("how", ["no_name", "failed", "timeout"])
async def test_a_name_may_be_silent(served: Served, how: str) -> None:
    """Gone, failing or without answer, with everything under it; healed, all is as before."""
    served.server.silence("clinic.example", how)  # type: ignore[arg-type]
    assert (await served.ask("send.clinic.example"))[0] == how
    assert (await served.ask("mail.example"))[0] == "found"
    assert served.server.heal() == 1
    assert (await served.ask("send.clinic.example"))[0] == "found"


async def test_a_server_that_is_not_there_is_no_failing_zone(served: Served) -> None:
    """Nobody listening is silence, which is nobody's fault yet; SERVFAIL is the zone's."""
    await served.server.close()
    assert (await served.ask("mail.example"))[0] == "timeout"


async def test_records_are_replaced_and_dropped(served: Served) -> None:
    """A change lies over what is published; what is no record is refused."""
    served.server.put("send.clinic.example", "TXT", ["v=spf1 -all"], "only ours")
    served.server.put("send.clinic.example", "MX", [])
    assert await served.ask("send.clinic.example") == ("found", ("v=spf1 -all",))
    assert (await served.ask("send.clinic.example", "MX"))[0] == "empty"
    with pytest.raises(Refused, match="priority"):
        served.server.put("send.clinic.example", "MX", ["mx.example"])
    with pytest.raises(Refused, match="no such record"):
        served.server.put("send.clinic.example", "NOTYPE", ["x"])


async def test_what_is_broken_stays_broken(tmp_path: Path) -> None:
    """Changes survive the process."""
    journal = Journal(tmp_path)
    NameServer(journal, published).put("send.clinic.example", "MX", [])
    await journal.close()
    journal = Journal(tmp_path)
    again = NameServer(journal, published)
    journal.load()
    assert again.broken == ["send.clinic.example MX: no records"]
    await journal.close()


@pytest.mark.parametrize("preset", DNS_PRESETS)
async def test_each_preset_changes_something(served: Served, preset: str) -> None:
    """Whatever a person can pick makes some answer differ, and says what it did."""
    names = [
        ("send.clinic.example", "TXT"),
        ("k._domainkey.clinic.example", "TXT"),
        ("_dmarc.clinic.example", "TXT"),
    ]
    before = [await served.ask(*name) for name in names]
    served.server.break_it("clinic.example", preset)
    assert [await served.ask(*name) for name in names] != before
    [said] = served.server.broken
    assert said.startswith("clinic.example: ")


async def test_only_known_domains_break(served: Served) -> None:
    """Neither an unknown domain nor an unknown way is taken."""
    with pytest.raises(Refused, match="no such domain here, only clinic"):
        served.server.break_it("other.example", "spf_missing")
    with pytest.raises(Refused, match="use one of"):
        served.server.break_it("clinic.example", "magic")
