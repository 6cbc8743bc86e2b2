"""Messaging services: their pool of numbers, and the registration for texting Americans."""

from __future__ import annotations

from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.sms.twilio.sandbox.accounts import OPENED_AT, number_sid
from mentalspace.integrations.sms.twilio.sandbox.errors import Problem
from mentalspace.integrations.sms.twilio.sandbox.numbers import country_of
from mentalspace.integrations.sms.twilio.sandbox.senders import numbers_in, services_of
from mentalspace.integrations.sms.twilio.sandbox.visit import Handler, Visit
from mentalspace.integrations.sms.twilio.sandbox.words import Json, iso, lasting_sid

BASE = "https://messaging.twilio.com/v1/Services"


# source: https://www.twilio.com/docs/messaging/api/service-resource
def _list(visit: Visit) -> Reply:
    found = services_of(visit.kit, visit.account)
    shown = [_shown(visit, sid, item) for sid, item in found.items()]
    return json_reply(200, _page("services", shown, BASE))


def _get(visit: Visit) -> Reply:
    return json_reply(200, _shown(visit, visit.args["service"], _find(visit)))


# source: https://www.twilio.com/docs/messaging/api/phonenumber-resource
def _numbers(visit: Visit) -> Reply:
    sid = visit.args["service"]
    numbers = [
        {
            "account_sid": visit.sid,
            "service_sid": sid,
            "sid": number_sid(visit.account.id, number),
            "date_created": iso(OPENED_AT),
            "date_updated": iso(OPENED_AT),
            "phone_number": number,
            "country_code": country_of(number)[1],
            "capabilities": ["SMS", "MMS", "Voice"],
            "url": f"{BASE}/{sid}/PhoneNumbers/{number_sid(visit.account.id, number)}",
        }
        for number in numbers_in(visit.kit, visit.account, _find(visit))
    ]
    return json_reply(200, _page("phone_numbers", numbers, f"{BASE}/{sid}/PhoneNumbers"))


# source: https://www.twilio.com/docs/messaging/api/usapptoperson-resource
def _registrations(visit: Visit) -> Reply:
    sid = visit.args["service"]
    status = _status(visit, _find(visit))
    found = [_registration(visit, sid, status)] if status else []
    return json_reply(200, _page("compliance", found, f"{BASE}/{sid}/Compliance/Usa2p"))


def _get_registration(visit: Visit) -> Reply:
    sid = visit.args["service"]
    status = _status(visit, _find(visit))
    if not status or visit.args["registration"] != lasting_sid("QE", sid):
        raise Problem(20404)
    return json_reply(200, _registration(visit, sid, status))


def _registration(visit: Visit, service_sid: str, status: str) -> Json:
    sid = lasting_sid("QE", service_sid)
    failed = {"error_code": 30909, "description": "The campaign's flow could not be verified"}
    return {
        "sid": sid,
        "account_sid": visit.sid,
        "brand_registration_sid": lasting_sid("BN", visit.account.id),
        "messaging_service_sid": service_sid,
        "description": "Reminders of appointments and one-time codes",
        "message_samples": ["Your appointment is tomorrow at 9:00."],
        "us_app_to_person_usecase": "MIXED",
        "has_embedded_links": True,
        "has_embedded_phone": False,
        "subscriber_opt_in": True,
        "age_gated": False,
        "direct_lending": False,
        "campaign_status": status,
        "campaign_id": "CSANDBOX" if status == "VERIFIED" else None,
        "is_externally_registered": False,
        "rate_limits": {"att": {"mps": 600, "msg_class": "A"}, "tmobile": {"brand_tier": "TOP"}},
        "message_flow": "Clients agree in writing at their first appointment.",
        "opt_in_message": "",
        "opt_out_message": "",
        "help_message": "",
        "opt_in_keywords": ["START"],
        "opt_out_keywords": ["STOP"],
        "help_keywords": ["HELP"],
        "date_created": iso(OPENED_AT),
        "date_updated": iso(OPENED_AT),
        "url": f"{BASE}/{service_sid}/Compliance/Usa2p/{sid}",
        "mock": False,
        "errors": [failed] if status == "FAILED" else [],
    }


def _find(visit: Visit) -> Json:
    found = services_of(visit.kit, visit.account).get(visit.args["service"])
    if found is None:
        raise Problem(20404, f"The requested resource {visit.call.path} was not found")
    return found


def _status(visit: Visit, service: Json) -> str:
    """Empty where nobody has registered."""
    return str(service.get("campaign_status", visit.option("campaign_status")))


def _shown(visit: Visit, sid: str, service: Json) -> Json:
    parts = {
        "phone_numbers": "PhoneNumbers",
        "short_codes": "ShortCodes",
        "alpha_senders": "AlphaSenders",
        "messages": "Messages",
        "us_app_to_person": "Compliance/Usa2p",
    }
    return {
        "account_sid": visit.sid,
        "sid": sid,
        "date_created": iso(OPENED_AT),
        "date_updated": iso(OPENED_AT),
        "friendly_name": "Sandbox service",
        "inbound_request_url": None,
        "inbound_method": "POST",
        "fallback_url": None,
        "fallback_method": "POST",
        "status_callback": None,
        "sticky_sender": True,
        "mms_converter": True,
        "smart_encoding": False,
        "fallback_to_long_code": True,
        "area_code_geomatch": True,
        "validity_period": 36000,
        "scan_message_content": "inherit",
        "synchronous_validation": True,
        "usecase": "notifications",
        "us_app_to_person_registered": _status(visit, service) == "VERIFIED",
        "use_inbound_webhook_on_number": True,
        "links": {name: f"{BASE}/{sid}/{part}" for name, part in parts.items()},
        "url": f"{BASE}/{sid}",
    }


def _page(key: str, items: list[Json], url: str) -> Json:
    meta = {
        "page": 0,
        "page_size": 50,
        "first_page_url": f"{url}?PageSize=50&Page=0",
        "previous_page_url": None,
        "next_page_url": None,
        "key": key,
        "url": f"{url}?PageSize=50&Page=0",
    }
    return {"meta": meta, key: items}


SERVICES = "/v1/Services"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", SERVICES, _list),
    ("GET", f"{SERVICES}/{{service}}", _get),
    ("GET", f"{SERVICES}/{{service}}/PhoneNumbers", _numbers),
    ("GET", f"{SERVICES}/{{service}}/Compliance/Usa2p", _registrations),
    ("GET", f"{SERVICES}/{{service}}/Compliance/Usa2p/{{registration}}", _get_registration),
)
