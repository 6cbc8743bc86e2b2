"""Asks Twilio about the account, its number, its messaging service, and how carriers see them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

from mentalspace.integrations.sms.sender.expected import (
    Account,
    Kind,
    Registration,
    Sender,
    Service,
    Standing,
)
from mentalspace.kernel.errors import ProviderError

# ask(URL): the JSON under it; raises ProviderError for anything but a 200
Ask: TypeAlias = Callable[[str], Awaitable[Mapping[str, Any]]]

# source: https://www.twilio.com/docs/messaging/guides/sms-vs-toll-free (the toll-free prefixes)
_TOLL_FREE = ("800", "833", "844", "855", "866", "877", "888")
# Both map the provider's word onto ours; a word that is not here is one they look at.
# source: https://www.twilio.com/docs/messaging/api/usapptoperson-resource
_CAMPAIGN: Mapping[str, Standing] = {
    "VERIFIED":  "approved",
    "FAILED":    "refused",
    "SUSPENDED": "refused",
}  # fmt: skip
# source: https://www.twilio.com/docs/messaging/api/tollfree-verification-resource
_VERIFICATION: Mapping[str, Standing] = {
    "TWILIO_APPROVED": "approved",
    "TWILIO_REJECTED": "refused",
}
MOST_SERVICES = 10
_A2P = "A2P campaign"
_TOLL_FREE_VERIFICATION = "toll-free verification"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose sender is asked about; the base is that of the 2010 API."""

    base_url: str
    account_sid: str
    number: str | None
    service_sid: str | None
    we_listen_at: str | None


async def read_sender(ask: Ask, asked: Asked) -> Sender:
    """Everything of the sender that Twilio tells. Raises ProviderError."""
    root = f"{asked.base_url}/2010-04-01/Accounts/{quote(asked.account_sid)}"
    told = await ask(f"{root}.json")
    account = Account(str(told.get("status", "unknown")), told.get("type") == "Trial")
    messaging = messaging_base(asked.base_url)
    service = await _configured(ask, messaging, asked.service_sid)
    found = await find_number(ask, root, asked.number) if asked.number else None
    kind = kind_of(asked.number) if asked.number else None
    return Sender(
        account=account,
        number=asked.number,
        kind=kind,
        exists=found is not None,
        can_text=found is not None and bool((found.get("capabilities") or {}).get("sms", True)),
        registration=await _registration(ask, messaging, asked.number, found, service),
        answers_go_to=(found.get("sms_url") or None) if found else None,
        we_listen_at=asked.we_listen_at,
        service=service,
        service_missing=asked.service_sid is not None and service is None,
    )


def messaging_base(base_url: str) -> str:
    """The messaging API has a host of its own at Twilio, and none anywhere else."""
    parts = urlsplit(base_url)
    if parts.hostname == "api.twilio.com":
        return f"{parts.scheme}://messaging.twilio.com"
    return base_url


def kind_of(number: str) -> Kind:
    """By its digits: short codes have no +, toll-free numbers an area code of their own."""
    if not number.startswith("+"):
        return "short code"
    is_toll_free = number.startswith("+1") and number[2:5] in _TOLL_FREE
    return "toll-free number" if is_toll_free else "long code"


async def find_number(ask: Ask, root: str, number: str) -> Mapping[str, Any] | None:
    """The account's number or short code, if it has it."""
    if kind_of(number) == "short code":
        path, name = f"SMS/ShortCodes.json?ShortCode={number}", "short_codes"
    else:
        path = f"IncomingPhoneNumbers.json?PhoneNumber={quote(number)}"
        name = "incoming_phone_numbers"
    rows: Sequence[Mapping[str, Any]] = (await ask(f"{root}/{path}")).get(name) or ()
    return next(iter(rows), None)


async def _configured(ask: Ask, messaging: str, sid: str | None) -> Service | None:
    return None if sid is None else await _service(ask, messaging, sid)


async def _holding(ask: Ask, messaging: str, number: str) -> Service | None:
    """The service whose pool has the number: its campaign counts however we send."""
    listed = await ask(f"{messaging}/v1/Services?PageSize={MOST_SERVICES}")
    sids = [str(row.get("sid")) for row in listed.get("services") or ()][:MOST_SERVICES]
    found = await asyncio.gather(*(_service(ask, messaging, sid) for sid in sids))
    return next((one for one in found if one is not None and number in one.numbers), None)


async def _service(ask: Ask, messaging: str, sid: str) -> Service | None:
    rows = await _listed(ask, f"{messaging}/v1/Services/{quote(sid)}/PhoneNumbers", "phone_numbers")
    if rows is None:
        return None
    return Service(sid, tuple(str(row.get("phone_number")) for row in rows))


async def _registration(
    ask: Ask,
    messaging: str,
    number: str | None,
    found: Mapping[str, Any] | None,
    service: Service | None,
) -> Registration:
    kind = kind_of(number) if number else None
    if kind == "short code":
        return Registration("needless", "a short code is registered with its carriers")
    if number and not number.startswith("+1"):
        return Registration("needless", "outside North America carriers ask for none")
    if kind == "toll-free number":
        of, words, name = _TOLL_FREE_VERIFICATION, _VERIFICATION, "verifications"
        sid = quote(str(found.get("sid"))) if found else ""
        url = f"{messaging}/v1/Tollfree/Verifications?TollfreePhoneNumberSid={sid}"
        rows = await _listed(ask, url, name) if found else None
        status = "status"
    else:
        if service is None and number:
            service = await _holding(ask, messaging, number)
        if service is None:
            return Registration("missing", _A2P)
        of, words, name, status = _A2P, _CAMPAIGN, "compliance", "campaign_status"
        url = f"{messaging}/v1/Services/{quote(service.sid)}/Compliance/Usa2p"
        rows = await _listed(ask, url, name)
    if not rows:
        return Registration("missing", of)
    standings = [(words.get(str(row.get(status)), "pending"), str(row.get(status))) for row in rows]
    order: list[Standing] = ["approved", "pending", "refused"]
    standing, word = min(standings, key=lambda each: order.index(each[0]))
    return Registration(standing, of, word)


async def _listed(ask: Ask, url: str, name: str) -> Sequence[Mapping[str, Any]] | None:
    """The rows under `name`; None where Twilio has nothing there."""
    try:
        rows: Sequence[Mapping[str, Any]] = (await ask(url)).get(name) or ()
    except ProviderError as error:
        if error.evidence.http == 404:
            return None
        raise
    return rows
