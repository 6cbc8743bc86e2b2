"""Toll-free numbers and short codes: how they stand with the carriers."""

from __future__ import annotations

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.sms.twilio.sandbox.accounts import OPENED_AT, number_sid
from mentalspace.integrations.sms.twilio.sandbox.numbers import SHORT_CODE
from mentalspace.integrations.sms.twilio.sandbox.senders import numbers_of
from mentalspace.integrations.sms.twilio.sandbox.visit import Handler, Visit
from mentalspace.integrations.sms.twilio.sandbox.words import (
    API_VERSION,
    iso,
    lasting_sid,
    rfc2822,
)

BASE = "https://messaging.twilio.com/v1/Tollfree/Verifications"


# source: https://www.twilio.com/docs/messaging/api/tollfree-verification-resource
def _verifications(visit: Visit) -> Reply:
    wanted, status = visit.query("TollfreePhoneNumberSid"), visit.option("tollfree_status")
    numbers = numbers_of(visit.kit, visit.account) if status else []
    found = [
        {
            "sid": lasting_sid("HH", number),
            "account_sid": visit.sid,
            "tollfree_phone_number_sid": number_sid(visit.account.id, number),
            "status": status,
            "rejection_reason": "Opt-in missing" if status == "TWILIO_REJECTED" else None,
            "date_created": iso(OPENED_AT),
            "date_updated": iso(OPENED_AT),
            "url": f"{BASE}/{lasting_sid('HH', number)}",
        }
        for number in numbers
        if wanted in (None, number_sid(visit.account.id, number))
    ]
    meta = {"page": 0, "page_size": 50, "key": "verifications", "next_page_url": None}
    return json_reply(200, {"meta": meta, "verifications": found})


# source: https://www.twilio.com/docs/messaging/api/short-code-resource
def _short_codes(visit: Visit) -> Reply:
    wanted = visit.query("ShortCode")
    found = [
        {
            "account_sid": visit.sid,
            "api_version": API_VERSION,
            "date_created": rfc2822(OPENED_AT),
            "date_updated": rfc2822(OPENED_AT),
            "friendly_name": number,
            "short_code": number,
            "sid": lasting_sid("SC", f"{visit.account.id} {number}"),
            "sms_method": "POST",
            "sms_url": visit.account.webhook_url or "",
        }
        for number in numbers_of(visit.kit, visit.account)
        if SHORT_CODE.fullmatch(number) and wanted in (None, number)
    ]
    return json_reply(200, {"short_codes": found, "page": 0, "next_page_uri": None})


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/v1/Tollfree/Verifications", _verifications),
    ("GET", f"/{API_VERSION}/Accounts/{{account}}/SMS/ShortCodes.json", _short_codes),
)
