"""The account itself, its telephone numbers, and what Lookup says of any number."""

from __future__ import annotations

from datetime import UTC, datetime

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.fate import line_type_of
from mentalspace.integrations.sms.twilio.sandbox.numbers import country_of, national, normal
from mentalspace.integrations.sms.twilio.sandbox.senders import numbers_of
from mentalspace.integrations.sms.twilio.sandbox.visit import Handler, Visit
from mentalspace.integrations.sms.twilio.sandbox.words import (
    API_VERSION,
    Json,
    is_test,
    lasting_sid,
    rfc2822,
)

OPENED_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


# source: https://www.twilio.com/docs/iam/api/account
def _account(visit: Visit) -> Reply:
    uri = f"/{API_VERSION}/Accounts/{visit.sid}"
    names = ("messages", "incoming_phone_numbers", "calls", "usage")
    parts = ("Messages", "IncomingPhoneNumbers", "Calls", "Usage")
    body = {
        "auth_token": "[redacted]",
        "date_created": rfc2822(OPENED_AT),
        "date_updated": rfc2822(OPENED_AT),
        "friendly_name": "Sandbox account",
        "owner_account_sid": visit.sid,
        "sid": visit.sid,
        "status": visit.option("account_status"),
        "subresource_uris": {
            name: f"{uri}/{part}.json" for name, part in zip(names, parts, strict=True)
        },
        "type": "Trial" if visit.option("trial") else "Full",
        "uri": f"{uri}.json",
    }
    return json_reply(200, body)


# source: https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
def _numbers(visit: Visit) -> Reply:
    wanted = visit.query("PhoneNumber")
    found = [
        number
        for number in numbers_of(visit.kit, visit.account)
        if wanted is None or number == (normal(wanted) or wanted)
    ]
    uri = f"/{API_VERSION}/Accounts/{visit.sid}/IncomingPhoneNumbers.json"
    body = {
        "incoming_phone_numbers": [_number(visit, number) for number in found],
        "first_page_uri": f"{uri}?PageSize=50&Page=0",
        "next_page_uri": None,
        "previous_page_uri": None,
        "uri": f"{uri}?PageSize=50&Page=0",
        "page": 0,
        "page_size": 50,
        "start": 0,
        "end": max(0, len(found) - 1),
    }
    return json_reply(200, body)


def _get_number(visit: Visit) -> Reply:
    for number in numbers_of(visit.kit, visit.account):
        if number_sid(visit.account.id, number) == visit.args["number"]:
            return json_reply(200, _number(visit, number))
    raise Problem(20404)


def number_sid(account: str, number: str) -> str:
    return lasting_sid("PN", f"{account} {number}")


def _number(visit: Visit, number: str) -> Json:
    sid = number_sid(visit.account.id, number)
    texts = number not in visit.option("voice_only")
    return {
        "account_sid": visit.sid,
        "address_requirements": "none",
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"voice": True, "sms": texts, "mms": texts, "fax": False},
        "date_created": rfc2822(OPENED_AT),
        "date_updated": rfc2822(OPENED_AT),
        "friendly_name": national(number),
        "origin": "twilio",
        "phone_number": number,
        "sid": sid,
        "sms_application_sid": "",
        "sms_fallback_method": "POST",
        "sms_fallback_url": "",
        "sms_method": "POST",
        "sms_url": visit.account.webhook_url or "",
        "status": "in-use",
        "status_callback": "",
        "status_callback_method": "POST",
        "uri": f"/{API_VERSION}/Accounts/{visit.sid}/IncomingPhoneNumbers/{sid}.json",
        "voice_url": None,
    }


# source: https://www.twilio.com/docs/lookup/v2-api
def _lookup(visit: Visit) -> Reply:
    given = visit.args["lookup"]
    number = normal(given)
    if number is None and not given.lstrip("+").isdigit():
        raise Problem(20404, f"The requested resource {visit.call.path} was not found")
    fields = (visit.query("Fields") or "").split(",")
    code, country = country_of(number) if number else (None, None)
    body: Json = {
        "calling_country_code": code,
        "country_code": country,
        "phone_number": number or given,
        "national_format": national(number) if number else None,
        "valid": number is not None,
        "validation_errors": [] if number else [_mistake(given)],
        "line_type_intelligence": None,
        "url": f"https://lookups.twilio.com/v2/PhoneNumbers/{number or given}",
    }
    others = "caller_name sim_swap call_forwarding line_status identity_match reassigned_number"
    for name in (*others.split(), "sms_pumping_risk", "phone_number_quality_score", "pre_fill"):
        body[name] = None
    if number and "line_type_intelligence" in fields and not is_test(visit.account):
        body["line_type_intelligence"] = {
            "error_code": None,
            "mobile_country_code": "310",
            "mobile_network_code": "000",
            "carrier_name": "Sandbox Wireless",
            "type": line_type_of(visit.kit, visit.account, number),
        }
    return json_reply(200, body)


def _mistake(given: str) -> str:
    digits = len(given.lstrip("+").removeprefix("1"))
    return "TOO_SHORT" if digits < 10 else "TOO_LONG" if digits > 10 else "INVALID_BUT_POSSIBLE"


ACCOUNT = f"/{API_VERSION}/Accounts/{{account}}"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", f"{ACCOUNT}.json", _account),
    ("GET", f"{ACCOUNT}/IncomingPhoneNumbers.json", _numbers),
    ("GET", f"{ACCOUNT}/IncomingPhoneNumbers/{{number}}.json", _get_number),
    ("GET", "/v2/PhoneNumbers/{lookup}", _lookup),
)
