"""Around a provider: its status page and its customers' DNS, by control and by button."""

from __future__ import annotations

import pytest

from mentalspace.engine.resolver import Resolver
from tests.sandbox.conftest import Client


async def test_a_status_page_says_what_it_is_told(client: Client) -> None:
    """All is well at first; a statement by control or button is what the public reads."""
    public = "/status/email/resend/api/v2/status.json"

    async def says() -> tuple[str, str]:
        async with client.http.get(client.sandbox.url + public) as answer:
            status = (await answer.json())["status"]
        return status["indicator"], status["description"]

    assert await says() == ("none", "All Systems Operational")
    told = {"indicator": "critical", "description": "Sending is down"}
    await client.control("PUT", "/status-pages/email/resend", told)
    assert await says() == ("critical", "Sending is down")
    form = {"do": "say", "provider": "resend", "indicator": "none"}
    async with client.http.post(f"{client.sandbox.url}/email/outside", data=form) as answer:
        assert "says: All Systems Operational" in await answer.text()
    assert (await says())[0] == "none"
    assert (await client.page("/status/email/nobody/api/v2/status.json"))[0] == 404


async def test_the_dns_is_broken_and_healed_by_button(client: Client) -> None:
    """The page says what is changed, the name server answers so, and healing ends it."""
    dns = await client.control("GET", "/dns")
    port = int(dns["address"].rpartition(":")[2])
    assert dns["domains"] == ["mentalspace.app"]
    resolver = Resolver(("127.0.0.1", port))
    url = f"{client.sandbox.url}/email/outside"
    form = {"do": "break_dns", "domain": "mentalspace.app", "preset": "dmarc_missing"}
    async with client.http.post(url, data=form) as answer:
        assert "mentalspace.app: no DMARC policy" in await answer.text()
    assert (await resolver.look_up("_dmarc.mentalspace.app", "TXT")).state == "no_name"
    async with client.http.post(url, data={"do": "heal_dns"}) as answer:
        assert "as the provider asks" in await answer.text()
    assert (await resolver.look_up("_dmarc.mentalspace.app", "TXT")).state == "found"


async def test_records_by_control(client: Client) -> None:
    """Values replace what is published, and a name may be silenced."""
    record = {"name": "send.mentalspace.app", "type": "TXT", "values": ["v=spf1 -all"]}
    changed = await client.control("PUT", "/dns/records", record)
    assert changed == {"changed": ["send.mentalspace.app TXT: 1 record"]}
    await client.control("PUT", "/dns/silence", {"name": "mentalspace.app", "how": "failed"})
    records = (await client.control("GET", "/dns"))["records"]
    texts = [
        r["value"] for r in records if (r["name"], r["type"]) == ("send.mentalspace.app", "TXT")
    ]
    assert texts == ["v=spf1 -all"]
    assert await client.control("DELETE", "/dns") == {"changed": []}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/dns/break", {"domain": "other.example", "preset": "spf_missing"}),
        ("PUT", "/dns/records", {"name": "a.example", "type": "MX", "values": ["mx"]}),
        ("PUT", "/dns/silence", {"name": "a.example", "how": "loudly"}),
        ("PUT", "/status-pages/email/resend", {"indicator": "fine"}),
        ("PUT", "/status-pages/email/nobody", {"indicator": "none"}),
    ],
)
async def test_what_is_not_possible_is_refused(
    client: Client, method: str, path: str, body: object
) -> None:
    """With a problem, and nothing changed."""
    await client.control(method, path, body, http=422)
    assert (await client.control("GET", "/dns"))["changed"] == []
