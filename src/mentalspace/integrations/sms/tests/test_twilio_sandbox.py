"""What the sandbox plays beyond answering: lives, lists that lag, paces, retries, and people."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from mentalspace.integrations.sms.tests.conftest import CLIENT, NUMBER, SID, Customer, Hooks
from mentalspace.integrations.sms.twilio.sandbox.manners import TwilioManners
from mentalspace.integrations.sms.twilio.sandbox.segments import segments_of
from mentalspace.sandbox.running import running_sandbox

MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages"


async def _status(customer: Customer, sid: str) -> tuple[str, Any]:
    _http, found = await customer.call("GET", f"{MESSAGES}/{sid}.json")
    return found["status"], found["error_code"]


async def test_a_number_has_its_fate(customer: Customer, hooks: Hooks) -> None:
    """It comes by callback and by asking, and never as the send's answer."""
    fates = ("30003", "30005", "30006", "30007", "30034", "30001", "silent", "slow")
    customer.account(fates={f"+1202555011{n}": fate for n, fate in enumerate(fates)})
    sids = []
    for n in range(len(fates)):
        http, made = await customer.send(To=f"+1202555011{n}", StatusCallback=hooks.url)
        assert (http, made["status"], made["error_code"]) == (201, "queued", None)
        sids.append(made["sid"])
    customer.later(1)
    expected: list[tuple[str, Any]] = [("undelivered", int(fate)) for fate in fates[:5]]
    expected += [("failed", 30001), ("sent", None), ("sent", None)]
    assert [await _status(customer, sid) for sid in sids] == expected
    customer.later(60)
    assert await _status(customer, sids[-1]) == ("delivered", None)
    told = await hooks.first(4 * 3 + 2 + 2 + 3)
    codes = {one.form["MessageSid"]: one.form.get("ErrorCode") for one in told}
    assert [codes[sid] for sid in sids[:6]] == list(fates[:6])
    assert {one.form["MessageStatus"] for one in told}.isdisjoint({"queued", "accepted"})


async def test_it_breaks_in_ways_of_its_own(customer: Customer) -> None:
    """Each way that the page offers is met by the next text, and by none once it is healed."""
    offered = {one["name"]: one for one in await customer.control("GET", "/presets?room=sms")}
    assert "for a day" not in offered["hooks_forged"]["explanation"]
    met: dict[str, Any] = {}
    for name in ("key_revoked", "invalid_number", "unsubscribed"):
        await customer.control("POST", "/break/sms/twilio", {"preset": name})
        _http, answer = await customer.send()
        met[name] = answer["code"]
        assert await customer.control("DELETE", "/faults?room=sms") == {"lifted": 1}
    for name in ("filtered", "landline", "unreachable"):
        await customer.control("POST", "/break/sms/twilio", {"preset": name})
        _http, made = await customer.send()
        customer.later(1)
        met[name] = (await _status(customer, made["sid"]))[1]
        await customer.control("DELETE", "/faults?room=sms")
    assert met == {
        "key_revoked": 20003,
        "invalid_number": 21211,
        "unsubscribed": 21610,
        "filtered": 30007,
        "landline": 30006,
        "unreachable": 30003,
    }
    assert (await customer.send())[0] == 201


async def test_words_of_spam_are_held_back(customer: Customer) -> None:
    """Blocked, or very slow, as the option says."""
    _http, blocked = await customer.send(Body="Click here now! Win.")
    customer.account(filtering="slow")
    _http, slow = await customer.send(Body="CLICK HERE NOW")
    customer.later(2)
    assert await _status(customer, blocked["sid"]) == ("undelivered", 30007)
    assert await _status(customer, slow["sid"]) == ("sent", None)
    customer.later(600)
    assert await _status(customer, slow["sid"]) == ("delivered", None)


async def test_a_list_lags_behind(customer: Customer) -> None:
    """What can be fetched by its SID at once is in no list for a while."""
    customer.account(list_lag_s=30.0)
    _http, made = await customer.send()
    http, found = await customer.call("GET", f"{MESSAGES}/{made['sid']}.json")
    assert (http, found["sid"]) == (200, made["sid"])
    query = f"{MESSAGES}.json?To=%2B{CLIENT[1:]}"
    assert (await customer.call("GET", query))[1]["messages"] == []
    customer.later(31)
    listed = (await customer.call("GET", query))[1]["messages"]
    assert [one["sid"] for one in listed] == [made["sid"]]


async def test_a_sender_has_its_pace(customer: Customer) -> None:
    """Segments queue up by the second; beyond the queue, and where it refuses, nothing is taken."""
    customer.account(segments_per_s=1.0, queue_hours=9 / 3600)
    sids = [(await customer.send(Body="x" * 300))[1]["sid"] for _n in range(3)]
    customer.later(3)
    states = [(await _status(customer, sid))[0] for sid in sids]
    assert states == ["delivered", "delivered", "queued"]
    for _n in range(5):
        http, answer = await customer.send(Body="x" * 300)
    assert (http, answer["code"]) == (429, 21611)
    customer.account(segments_per_s=3.0, over_rate="refuse")
    answers = [await customer.send(Body="x" * 300) for _n in range(2)]
    assert [answer.get("code") for _http, answer in answers] == [None, 20429]


async def test_a_text_that_waits_too_long_fails(customer: Customer) -> None:
    """Its validity is over before its turn comes."""
    customer.account(segments_per_s=0.1)
    await customer.send()
    _http, made = await customer.send(ValidityPeriod="5")
    customer.later(6)
    assert await _status(customer, made["sid"]) == ("failed", 30036)


async def test_people_opt_out_and_in_again(customer: Customer, hooks: Hooks) -> None:
    """STOP blocks the number and is answered once; START lifts it; each is told, signed or not."""
    account = customer.account(hooks.url, advanced_opt_out=True)

    async def text(body: str) -> Any:
        fields = {"from": CLIENT, "to": NUMBER, "body": body, "account": account.id}
        return await customer.control("POST", "/texts/sms/twilio", fields)

    sid = (await text(" stop "))["id"]
    first = (await hooks.first(1))[0].form
    assert (first["MessageSid"], first["Body"], first["OptOutType"]) == (sid, " stop ", "STOP")
    assert (first["From"], first["To"], first["NumSegments"]) == (CLIENT, NUMBER, "1")
    await text("UNSUBSCRIBE")
    http, refused = await customer.send()
    assert (http, refused["code"]) == (400, 21610)
    assert refused["more_info"].endswith("/21610")
    await text("Start")
    assert (await customer.send())[0] == 201
    listed = (await customer.call("GET", f"{MESSAGES}.json"))[1]["messages"]
    replies = [one["body"] for one in listed if one["direction"] == "outbound-reply"]
    assert ["re-subscribed" in one for one in replies] == [True, False]
    customer.account(opt_out_handling="off")
    await text("STOP")
    assert (await customer.send())[0] == 201
    unknown = await customer.control(
        "POST", "/texts/sms/twilio", {"from": CLIENT, "to": "+12025550000", "body": "Hi"}
    )
    assert unknown["code"] == "unknown_number"


async def test_a_telephone_is_read_and_answered_on_a_page(customer: Customer, hooks: Hooks) -> None:
    """The thread shows what was said and how it fared; its buttons answer as the client."""
    account = customer.account(hooks.url, fates={"+12025550143": "30003"})
    await customer.send(Body="Reply 1 & all is <well>.")
    await customer.send(To="+12025550143", Body="Never there.")
    customer.later(1)
    page = f"{customer.sandbox.url}/sms/phones/{account.id}"
    async with customer.http.get(f"{page}/+12025550143/{NUMBER}") as answer:
        assert "undelivered (30003)" in await answer.text()
    async with customer.http.post(f"{page}/{CLIENT}/{NUMBER}", data={"quick": "1"}) as answer:
        shown = await answer.text()
    assert "Reply 1 &amp; all is &lt;well&gt;." in shown
    assert "delivered ✓✓" in shown
    assert "received ✓✓" in shown
    told = (await hooks.first(1))[0].form
    assert (told["Body"], told["From"], told["To"]) == ("1", CLIENT, NUMBER)
    async with customer.http.post(f"{page}/{CLIENT}/{NUMBER}", data={"body": " "}) as answer:
        assert answer.status == 422
    async with customer.http.get(f"{page}/+12025550199/{NUMBER}") as answer:
        assert answer.status == 404


async def test_whoever_gets_a_text_may_answer_by_fate(customer: Customer, hooks: Hooks) -> None:
    """Once it has arrived, and an opt-out counts from then on."""
    customer.account(hooks.url, fates={CLIENT: "stop", "+12025550143": "answer:1"})
    assert (await customer.send())[0] == 201
    await customer.send(To="+12025550143")
    told = {one.form["From"]: one.form["Body"] for one in await hooks.first(2)}
    assert told == {CLIENT: "STOP", "+12025550143": "1"}
    assert (await customer.send())[1]["code"] == 21610


async def test_a_callback_is_tried_again_as_its_fragment_says(
    customer: Customer, hooks: Hooks
) -> None:
    """By default never after an answer; with one token for all tries."""
    hooks.answers += [503, 503]
    customer.account(fates={"*": "30034"})
    await customer.send(StatusCallback=f"{hooks.url}/#rc=2&rp=5xx")
    tries = await hooks.first(3)
    assert len({one.headers["i-twilio-idempotency-token"] for one in tries}) == 1
    hooks.answers.append(503)
    await customer.send(StatusCallback=f"{hooks.url}/once")
    await hooks.first(4)
    async with asyncio.timeout(5):
        while customer.sandbox.world.kit.hooks.pending:
            await asyncio.sleep(0.02)
    assert len(hooks.got) == 4


def test_how_often_and_how_long_twilio_tries() -> None:
    """Each setting of the fragment within its limits, and the defaults without one."""
    again = TwilioManners().again_s
    url = "http://127.0.0.1/"
    assert [again(url, 1, "connect"), again(url, 2, "connect"), again(url, 1, "read")] == [
        0.0,
        None,
        None,
    ]
    assert again(url + "#rp=all&rc=9", 5, 404) == 0.0
    assert again(url + "#rp=all&rc=9", 6, 404) is None
    assert again(url + "#rp=4xx,rt", 1, 500) is None
    assert again(url + "#rp=4xx,rt", 1, "read") == 0.0
    assert TwilioManners().within_s(url + "#ct=1&rt=200") == (0.1, 0.3)


def test_segments_as_the_carriers_count_them() -> None:
    """Both alphabets, at each border."""
    table = {
        "": 1,
        "x" * 160: 1,
        "x" * 161: 2,
        "x" * 306: 2,
        "x" * 307: 3,
        "€" * 80: 1,
        "€" * 81: 2,
        "x" * 152 + "€" + "x" * 10: 2,
        "ё" * 70: 1,
        "ё" * 71: 2,
        "😀" * 35: 1,
        "😀" * 36: 2,
        "😀" * 66: 2,
        "😀" * 67: 3,
    }
    assert {body: segments_of(body) for body in table} == table


async def test_what_was_taken_outlives_the_process(tmp_path: Path) -> None:
    """Messages, opt-outs and a sender's queue are as they were."""
    async with running_sandbox(tmp_path, rooms=["sms"]) as sandbox, aiohttp.ClientSession() as http:
        first = Customer(sandbox, http)
        account = first.account(segments_per_s=0.01)
        sid = (await first.send())[1]["sid"]
        phones = sandbox.world.phones("sms")
        assert phones is not None
        phones.text(account, "+12025550143", NUMBER, "STOP")
    async with running_sandbox(tmp_path, rooms=["sms"]) as sandbox, aiohttp.ClientSession() as http:
        second = Customer(sandbox, http)
        assert (await second.call("GET", f"{MESSAGES}/{sid}.json"))[1]["to"] == CLIENT
        assert (await second.send(To="+12025550143"))[1]["code"] == 21610
        later = (await second.send())[1]["sid"]
        second.later(20)
        assert (await _status(second, later))[0] == "queued"
