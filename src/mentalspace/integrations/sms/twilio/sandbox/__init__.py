"""Twilio, written from its documentation: what it accepts, answers, reports and hears."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.faults import Fault
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.rate import RateWindows
from mentalspace.emulator.role import Bubble, Conversation
from mentalspace.emulator.words import Call, Reply
from mentalspace.integrations.sms.twilio.sandbox import phone, routes
from mentalspace.integrations.sms.twilio.sandbox.breakages import BREAKAGES
from mentalspace.integrations.sms.twilio.sandbox.callbacks import endpoint_of
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem, error_reply, injected
from mentalspace.integrations.sms.twilio.sandbox.inbound import hear
from mentalspace.integrations.sms.twilio.sandbox.manners import TwilioManners
from mentalspace.integrations.sms.twilio.sandbox.numbers import normal
from mentalspace.integrations.sms.twilio.sandbox.pace import Pace
from mentalspace.integrations.sms.twilio.sandbox.senders import numbers_of
from mentalspace.integrations.sms.twilio.sandbox.signature import signed
from mentalspace.integrations.sms.twilio.sandbox.visit import Visit
from mentalspace.integrations.sms.twilio.sandbox.words import (
    API_VERSION,
    PROVIDER,
    ROOM,
    is_test,
    option,
    sid_of,
)
from mentalspace.kernel.errors import Refused

# What a fresh sandbox accepts; never valid anywhere else.
DEMO_ACCOUNT_SID = "AC5a0d0b0c5a0d0b0c5a0d0b0c5a0d0b0c"
DEMO_AUTH_TOKEN = "5a0d0b0c5a0d0b0c5a0d0b0c5a0d0b0c"  # noqa: S105
TEST_ACCOUNT_SID = "AC7e577e577e577e577e577e577e577e57"
TEST_AUTH_TOKEN = "7e577e577e577e577e577e577e577e57"  # noqa: S105


def emulator(kit: Kit) -> TwilioSandbox:
    """Twilio on this kit."""
    return TwilioSandbox(kit)


class TwilioSandbox:
    """The door: who calls, may they, how often; the rest is behind `routes`."""

    room = ROOM
    provider = PROVIDER
    title = "Twilio"
    breakages = BREAKAGES
    # An account may have its own under the same names. Its profile has `account_sid`,
    # `phone_number` and `messaging_service_sid`, and `test` for test credentials.
    options: Mapping[str, Any] = {
        "numbers": ["+15005550006"],
        "voice_only": [],
        # {"MG…": {"numbers": […], "campaign_status": "VERIFIED"}}; none: one, of all numbers
        "services": {},
        "campaign_status": "VERIFIED",  # or PENDING, IN_PROGRESS, FAILED; "": not registered
        "tollfree_status": "TWILIO_APPROVED",  # or PENDING_REVIEW, …; "": never submitted
        "account_status": "active",  # or suspended, closed
        "countries": ["1"],  # calling codes that may be texted
        "trial": False,  # true: only `verified` may be texted
        "verified": [],
        "requests_per_s": 100,
        "segments_per_s": 10.0,  # of each sender
        "over_rate": "queue",  # or refuse: 20429
        "queue_hours": 10.0,
        "schedule_ahead_s": 300.0,  # older pages: 900
        "list_lag_s": 0.0,  # how long a new message is in no list
        "lag_min_s": 0.2,
        "lag_max_s": 1.5,
        "delay_s": 60.0,  # of what is slow
        # What ordinary numbers meet: {"+1202555*": a fate}, then shares of them.
        "fates": {},
        "line_types": {},  # {"+1202555*": "landline"}, as Lookup tells it
        "unreachable_share": 0.0,
        "blocked_share": 0.0,
        "unknown_share": 0.0,
        "landline_share": 0.0,
        "carrier_error_share": 0.0,
        "slow_share": 0.0,
        "silent_share": 0.0,
        "spam_words": ["click here now"],
        "filtering": "block",  # or slow, off
        "filter_delay_s": 600.0,
        "opt_out_handling": "twilio",  # or off
        "advanced_opt_out": False,
        "inbound_by_service": False,
        "callback_format": "form",  # or json
        "signature": "HMAC_SHA1",  # or HMAC_SHA256, by a shared key
        "shared_key_id": "webhooks_sharedkey_sandbox",
        "shared_key_secret": "",  # empty: the auth token
        "signature_port": "kept",  # or dropped, added
    }

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._rate = RateWindows()
        self._pace = Pace(kit)
        kit.options.declare(ROOM, PROVIDER, self.options)
        kit.hooks.signer(ROOM, PROVIDER, self.sign, self._endpoint, TwilioManners())

    def furnish(self, hooks_url: str | None) -> None:
        live = (DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN, hooks_url, False)
        tests = (TEST_ACCOUNT_SID, TEST_AUTH_TOKEN, None, True)
        for sid, token, url, test in (live, tests):
            key = f"{sid}:{token}"
            if self._kit.accounts.by_key(ROOM, PROVIDER, key) is None:
                self._kit.accounts.put(
                    ROOM,
                    PROVIDER,
                    key,
                    webhook_url=url,
                    webhook_secret=token,
                    profile={"account_sid": sid, "test": test},
                )

    def identify(self, call: Call) -> Account | None:
        """By SID and token, or by an API key's SID and secret."""
        return self._kit.accounts.by_key(ROOM, PROVIDER, _basic(call))

    def idempotency_key(self, _call: Call) -> str | None:
        return None

    def claims(self, _call: Call) -> str | None:
        return None

    def busy(self, _call: Call, _account: Account | None) -> Reply:
        return error_reply(Problem(20429))

    def handle(self, call: Call, account: Account | None) -> Reply:
        try:
            return self._answer(call, self._authorise(call, account))
        except Problem as problem:
            return error_reply(problem)

    def fail(self, _account: Account | None, fault: Fault) -> Reply:
        return error_reply(injected(fault.http, fault.name, fault.message))

    def sign(self, account: Account, hook_id: str, _at: datetime, body: bytes) -> Mapping[str, str]:
        return signed(self._kit, account, hook_id, body)

    def conversations(self) -> list[Conversation]:
        return phone.conversations(self._kit)

    def thread(self, account: Account, person: str, number: str) -> list[Bubble]:
        return phone.thread(self._kit, account, person, number)

    def text(self, account: Account | None, person: str, number: str, body: str) -> str:
        """A person texts one of the account's numbers. Raises Refused for no such number."""
        sender = normal(person)
        if sender is None:
            raise Refused("not_a_number", "from: give a telephone number in E.164")
        for one in [account] if account else self._customers():
            if number in numbers_of(self._kit, one):
                return hear(self._kit, one, sender, number, body)
        raise Refused("unknown_number", "to: no account has this number")

    def _answer(self, call: Call, account: Account) -> Reply:
        handler, args = routes.find(call.method, call.path)
        sends = call.method == "POST" and call.path.endswith("/Messages.json")
        if is_test(account) and not sends:
            # source: https://www.twilio.com/docs/iam/test-credentials
            raise Problem(20008)
        if args.get("account", sid_of(account)) != sid_of(account):
            raise Problem(20404, f"The requested resource {call.path} was not found")
        return handler(Visit(self._kit, call, account, args, self._pace))

    def _authorise(self, call: Call, account: Account | None) -> Account:
        if account is None:
            raise Problem(20003)
        limit = account.rate_per_s or int(option(self._kit, account, "requests_per_s"))
        if not self._rate.take(account.id, limit, account.consumed_per_s).allowed:
            raise Problem(20429)
        if option(self._kit, account, "account_status") != "active":
            raise Problem(20005)
        if "account_sid" not in account.profile and call.path.startswith(f"/{API_VERSION}/"):
            # Registered by its credential alone: its SID is what it calls itself first.
            sid = call.path.split("/")[3].removesuffix(".json")
            account = self._kit.accounts.change(
                account, profile={**account.profile, "account_sid": sid}
            )
        return account

    def _customers(self) -> list[Account]:
        """The newest first, so that one made for a test is preferred."""
        found = [a for a in self._kit.accounts.all() if (a.room, a.provider) == (ROOM, PROVIDER)]
        return [account for account in reversed(found) if not is_test(account)]

    def _endpoint(self, account: Account, endpoint: str) -> Account | None:
        return endpoint_of(self._kit, account, endpoint)


def _basic(call: Call) -> str:
    """User and password of a call; empty if it carries none."""
    scheme, _, coded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(coded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
