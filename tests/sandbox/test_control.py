"""The control API on a real socket: faults, accounts, recorder, summary, pager."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import apprise
import pytest

from tests.sandbox.conftest import Client


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["reset", "hang"])
async def test_a_lost_answer_leaves_the_mail_accepted_or_not(
    client: Client, kind: str, when: str
) -> None:
    """Reset and hang lose the answer; after `after`, the key finds the mail that was accepted."""
    fault = {"room": "email", "provider": "resend", "kind": kind, "when": when, "times": 1}
    await client.control("POST", "/faults", fault, http=201)
    with pytest.raises(aiohttp.ClientOSError if kind == "reset" else TimeoutError):
        await client.send("Lost", key="k", within_s=0.3)
    assert await client.accepted() == (["Lost"] if when == "after" else [])
    status, _body = await client.send("Lost", key="k")
    assert status == 200
    assert await client.accepted() == ["Lost"]
    entries = await client.control("GET", "/recorder?room=email")
    assert [entry["http"] for entry in entries] == [None, 200]
    assert entries[1]["replayed"] is (when == "after")


async def test_a_status_fault_speaks_in_the_providers_words(client: Client) -> None:
    """An injected 503 has Resend's error body; the first success comes after its last use."""
    fault = {"room": "email", "provider": "resend", "kind": "status", "http": 503, "times": 1}
    made = await client.control("POST", "/faults", fault, http=201)
    status, body = await client.send()
    assert (status, body["statusCode"], body["name"]) == (503, 503, "service_unavailable")
    assert (await client.control("GET", "/faults"))[0]["left"] == 0
    assert (await client.send())[0] == 200
    entries = await client.control("GET", "/recorder")
    assert [entry["fault"] for entry in entries] == [made["id"], None]


async def test_an_answer_cut_short_was_accepted(client: Client) -> None:
    """A malformed answer after acceptance is a 200 whose body cannot be read."""
    fault = {"room": "email", "provider": "resend", "kind": "malformed", "when": "after"}
    await client.control("POST", "/faults", fault, http=201)
    with pytest.raises(json.JSONDecodeError):
        await client.send("Cut")
    assert await client.accepted() == ["Cut"]


async def test_an_answer_that_ends_too_early_was_accepted(client: Client) -> None:
    """The headers promise more than comes; the mail was taken, and its key finds it."""
    fault = {"room": "email", "provider": "resend", "kind": "truncate", "when": "after", "times": 1}
    await client.control("POST", "/faults", fault, http=201)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.send("Cut", key="k")
    assert (await client.send("Cut", key="k"))[0] == 200
    assert await client.accepted() == ["Cut"]


async def test_an_answer_that_trickles_in_meets_the_clients_deadline(client: Client) -> None:
    """Its headers come at once and its body over time: whole only for who waits."""
    fault = {"room": "email", "provider": "resend", "kind": "drip", "latency_s": 0.4}
    await client.control("POST", "/faults", fault, http=201)
    with pytest.raises(TimeoutError):
        await client.send("Late", within_s=0.2)
    assert (await client.send("Whole"))[0] == 200
    assert await client.accepted() == ["Whole", "Late"]


async def test_an_account_takes_another_key_and_gives_one_up(client: Client) -> None:
    """Both keys are the same customer; one that was revoked opens nothing, and is remembered."""
    accounts = await client.control("GET", "/accounts")
    (account,) = (one for one in accounts if one["provider"] == "resend")
    url = f"/accounts/email/resend/{account['id']}/keys"
    await client.control("POST", url, {"api_key": "re_next"}, http=201)
    await client.control("POST", url, {"api_key": "re_next"}, http=422)
    assert (await client.send(api_key="re_next"))[0] == 200
    assert (await client.send())[0] == 200
    changed = await client.control("DELETE", f"{url}/{account['keys'][0]}")
    assert changed["revoked_keys"] == account["keys"]
    assert [(await client.send())[0], (await client.send(api_key="re_next"))[0]] == [403, 200]
    await client.control("DELETE", f"{url}/{account['keys'][0]}", http=422)


async def test_break_and_heal(client: Client) -> None:
    """A preset breaks one account's calls until it is lifted."""
    account = (await client.control("GET", "/accounts"))[0]["id"]
    broken = {"preset": "key_revoked", "account": account}
    await client.control("POST", "/break/email/resend", broken, http=201)
    status, body = await client.send()
    assert (status, body["name"]) == (403, "invalid_api_key")
    assert await client.control("DELETE", "/faults?room=email") == {"lifted": 1}
    assert (await client.send())[0] == 200


async def test_the_summary_tells_a_repeated_request_from_a_mail_accepted_twice(
    client: Client,
) -> None:
    """One key repeated is no second mail; the same content under two keys is."""
    await client.send("Once", key="a")
    await client.send("Once", key="a")
    (counts,) = (await client.control("GET", "/summary")).values()
    assert (counts["accepted"], counts["repeated_requests_one_key"]) == (1, 1)
    assert (counts["accepted_twice"], counts["twice"]) == (0, [])
    await client.send("Once", key="b")
    await client.send("Other", key="c")
    (counts,) = (await client.control("GET", "/summary")).values()
    assert (counts["accepted"], counts["accepted_twice"]) == (2, 1)
    assert len(counts["twice"][0]) == 2


async def test_the_recorder_keeps_no_content(client: Client) -> None:
    """The recorder's lines hold neither address nor body, and go on after a number."""
    await client.send("Secret subject", key="k")
    entries = await client.control("GET", "/recorder")
    assert "demo.example" not in json.dumps(entries)
    assert "Secret" not in json.dumps(entries)
    assert await client.control("GET", f"/recorder?since={entries[-1]['number']}") == []


async def test_accounts_never_show_their_secrets(client: Client) -> None:
    """A registered key works, and neither it nor the webhook secret is shown or echoed again."""
    account = {"api_key": "re_new", "webhook_secret": "whsec_c2VjcmV0", "rate_per_s": 5}
    made = await client.control("PUT", "/accounts/email/resend", account)
    listed = json.dumps([made, await client.control("GET", "/accounts")])
    assert "re_new" not in listed
    assert "c2VjcmV0" not in listed
    wrong = {"api_key": {"oops": "re_new_in_the_wrong_place"}}
    refused = await client.control("PUT", "/accounts/email/resend", wrong, http=422)
    assert "re_new" not in json.dumps(refused)
    assert refused["detail"].startswith("api_key")
    url = f"/accounts/email/resend/{made['id']}/consume"
    assert (await client.control("POST", url, {"per_s": 3}))["consumed_per_s"] == 3
    url = url.removesuffix("/consume")
    changed = await client.control("PATCH", url, {"webhook_url": "http://127.0.0.1:9/x"})
    assert (changed["webhook_url"], changed["rate_per_s"]) == ("http://127.0.0.1:9/x", 5)
    await client.control("PATCH", url, {"webhook_url": "https://elsewhere.example"}, http=422)


async def test_options_change_behaviour_and_refuse_nonsense(client: Client) -> None:
    """A known option changes what the provider answers; an unknown or mistyped one is refused."""
    changed = await client.control("PUT", "/options/email/resend", {"rate_per_s": 1})
    assert changed["rate_per_s"] == 1
    assert [(await client.send())[0], (await client.send())[0]] == [200, 429]
    for wrong in ({"colour": 1}, {"rate_per_s": "fast"}, {"rate_per_s": True}):
        await client.control("PUT", "/options/email/resend", wrong, http=422)


async def test_the_clock_moves_and_says_so(client: Client) -> None:
    """The offset is set, not added, and mails carry the sandbox's time."""
    for offset_s in (3600.0, 7200.0):
        assert (await client.control("PUT", "/clock", {"offset_s": offset_s}))["offset_s"] == (
            offset_s
        )
    await client.send()
    (item,) = await client.control("GET", "/mailbox")
    assert item["at"][:15] == (await client.control("GET", "/clock"))["now"][:15]


# Apprise's own import of a module that Python 3.13 drops.
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
async def test_a_page_from_apprise_is_kept(client: Client) -> None:
    """What the real Apprise posts to a `json://` address shows up for its target only."""
    port = client.sandbox.port

    def page() -> bool:
        pager = apprise.Apprise()
        assert pager.add(f"json://127.0.0.1:{port}/pager/oncall")
        return bool(pager.notify(title="Email down", body="five in a row", notify_type="failure"))

    assert await asyncio.to_thread(page)
    (found,) = await client.control("GET", "/pages?target=oncall")
    assert (found["title"], found["message"]) == ("Email down", "five in a row")
    assert found["kind"] == "failure"
    assert await client.control("GET", "/pages?target=cto") == []


async def test_the_api_describes_itself(client: Client) -> None:
    """Every operation in openapi.json has a summary, and the page lists it."""
    described = await client.control("GET", "/openapi.json")
    _status, text, _headers = await client.page("/_control")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"]
            assert f"{method.upper()} /_control{path}" in text
