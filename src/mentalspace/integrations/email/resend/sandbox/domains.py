"""Sending domains: made, verified, changed, deleted; and whether a sender may use one."""

from __future__ import annotations

import functools
import json
import re
from datetime import datetime, timedelta

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.hook import News
from mentalspace.emulator.kit import Kit
from mentalspace.emulator.words import Reply, json_reply
from mentalspace.integrations.email.resend.sandbox.endpoints import tell
from mentalspace.integrations.email.resend.sandbox.errors import Problem, invalid, not_found
from mentalspace.integrations.email.resend.sandbox.fate import TEST_DOMAIN
from mentalspace.integrations.email.resend.sandbox.mail import (
    as_list,
    bare,
    check_address,
    domain_of,
)
from mentalspace.integrations.email.resend.sandbox.records import RETURN_PATH, dns_records
from mentalspace.integrations.email.resend.sandbox.visit import Handler, Visit, page, text_of
from mentalspace.integrations.email.resend.sandbox.words import (
    Json,
    lasting_id,
    message_id,
    new_id,
    option,
    row_stamp,
    stamp,
)

THING = "domain"
DEMO_DOMAIN = "mentalspace.app"
NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}")
REGIONS = ("us-east-1", "eu-west-1", "sa-east-1", "ap-northeast-1")

# What becomes of all records but the first. source: resend-openapi, schemas Domain, DomainRecord
PARTLY = {"partially_verified": "pending", "partially_failed": "failed"}


def check_sender(kit: Kit, team: Account, sender: object, to: object) -> None:
    """Raise the Problem of a sender who may not write to these recipients.

    A team without `domains` among its options is not asked for one it never made here.
    """
    check_address("from", sender)
    domain = domain_of(str(sender))
    own = option(kit, team, "own_address")
    if domain == TEST_DOMAIN or option(kit, team, "testing"):
        addresses = [bare(str(each)).lower() for each in as_list(to)]
        if all(a.endswith(f"@{TEST_DOMAIN}") or a == own.lower() for a in addresses):
            return
        raise Problem(
            403,
            "validation_error",
            f"You can only send testing emails to your own email address ({own}). To send emails "
            "to other recipients, please verify a domain at resend.com/domains, and change the "
            "`from` address to an email using this domain.",
        )
    now = kit.clock.now()
    known = {item["name"]: _status(item, now) for item in _kept(kit, team)}
    status = known.get(domain)
    if status == "verified" or (status is None and team.options.get("domains") is None):
        return
    raise Problem(
        403,
        "validation_error",
        f"The {domain} domain is not verified. Please, add and verify your domain on "
        "https://resend.com/domains",
    )


def all_domains(kit: Kit, team: Account) -> list[Json]:
    """As they are shown singly, oldest first: those of the team's options, then its own."""
    now = kit.clock.now()
    return [_shown(item, now) for item in _kept(kit, team) if not item.get("deleted")]


def tracking_of(kit: Kit, team: Account, sender: str) -> tuple[bool, bool]:
    """Whether opens and clicks are tracked for mails of this sender."""
    for item in _kept(kit, team):
        if item["name"] == domain_of(sender):
            return item["open_tracking"], item["click_tracking"]
    return False, False


# source: https://resend.com/docs/api-reference/domains/create-domain
def _create(visit: Visit) -> Reply:
    fields = visit.fields()
    name = text_of(fields, "name").lower()
    if not NAME.fullmatch(name):
        raise invalid("The `name` field must be a valid domain name.")
    if fields.get("region") not in (None, *REGIONS):
        raise Problem(422, "invalid_region")
    if any(domain["name"] == name for domain in all_domains(visit.kit, visit.team)):
        raise Problem(403, "validation_error", f"The {name} domain has been registered already.")
    item = _made(name, new_id(), "not_started", visit.now)
    _save(visit, {**item, **_settings(fields)}, "domain.created")
    return json_reply(201, _shown(_item(visit, item["id"]), visit.now))


# source: resend-openapi, schema ListDomainsItem: without `records`
def _list(visit: Visit) -> Reply:
    domains = all_domains(visit.kit, visit.team)[::-1]
    brief = [{k: v for k, v in d.items() if k != "records"} for d in domains]
    return json_reply(200, page(visit, brief))


def _get(visit: Visit) -> Reply:
    shown = _shown(_item(visit, visit.args["domain_id"]), visit.now)
    return json_reply(200, {"object": THING, **shown})


# source: https://resend.com/docs/api-reference/domains/verify-domain
def _verify(visit: Visit) -> Reply:
    """Pending at once; after `verify_s` as the option `verify_outcome` says."""
    item = _item(visit, visit.args["domain_id"])
    _save(visit, {**item, "status": "pending", "then": None}, "domain.updated")
    at = visit.now + timedelta(seconds=visit.option("verify_s"))
    outcome = {"status": visit.option("verify_outcome"), "at": at.isoformat()}
    _save(visit, {**item, "status": "pending", "then": outcome}, "domain.updated", at)
    return json_reply(200, {"object": THING, "id": item["id"]})


def _update(visit: Visit) -> Reply:
    item = _item(visit, visit.args["domain_id"])
    _save(visit, {**item, **_settings(visit.fields())}, "domain.updated")
    return json_reply(200, {"object": THING, "id": item["id"]})


def _remove(visit: Visit) -> Reply:
    item = _item(visit, visit.args["domain_id"])
    _save(visit, {**item, "deleted": True}, "domain.deleted")
    return json_reply(200, {"object": THING, "id": item["id"], "deleted": True})


def _kept(kit: Kit, team: Account) -> list[Json]:
    """Those of the team's options, then its own; the deleted ones among them."""
    named = team.options.get("domains")
    own = {item["name"]: item for item in kit.shelf.all(team.id, THING)}
    given = {name: _given(name) for name in ([DEMO_DOMAIN] if named is None else named)}
    return list({**given, **own}.values())


@functools.cache
def _given(name: str) -> Json:
    return _made(name, lasting_id(name), "verified")


def _made(name: str, domain_id: str, status: str, at: datetime | None = None) -> Json:
    return {
        "id": domain_id,
        "name": name,
        "status": status,
        "created_at": at.isoformat() if at else "2026-01-05T09:00:00+00:00",
        "region": REGIONS[0],
        "capabilities": {"sending": "enabled", "receiving": "disabled"},
        "open_tracking": False,
        "click_tracking": False,
        "tls": "opportunistic",
        "custom_return_path": RETURN_PATH,
        "tracking_subdomain": None,
        "then": None,
    }


def _settings(fields: Json) -> Json:
    """What may be chosen of a domain. Raises the Problem of a wrong one."""
    for name in ("open_tracking", "click_tracking"):
        if not isinstance(fields.get(name, False), bool):
            raise invalid(f"The `{name}` field must be a `boolean`.")
    if fields.get("tls", "enforced") not in ("enforced", "opportunistic"):
        raise invalid("The `tls` field must be `enforced` or `opportunistic`.")
    for name in ("custom_return_path", "tracking_subdomain"):
        if not re.fullmatch(r"[a-z0-9-]{1,63}", str(fields.get(name, "x"))):
            raise invalid(f"The `{name}` field must be a subdomain.")
    chosen = ("open_tracking", "click_tracking", "tls", "custom_return_path", "tracking_subdomain")
    return {name: fields[name] for name in (*chosen, "region") if name in fields}


def _item(visit: Visit, domain_id: str) -> Json:
    for item in _kept(visit.kit, visit.team):
        if item["id"] == domain_id and not item.get("deleted"):
            return item
    raise not_found("Domain")


def _save(visit: Visit, item: Json, event: str, at: datetime | None = None) -> None:
    visit.kit.shelf.put(visit.team.id, THING, item["id"], item)
    moment = at or visit.now
    made_at = stamp(datetime.fromisoformat(item["created_at"]))
    told = {**_told(_shown(item, moment)), "created_at": made_at}
    body = {"type": event, "created_at": stamp(moment), "data": told}
    news = News(message_id(), event, json.dumps(body), moment, item["id"])
    tell(visit.kit, visit.team, [news])


def _shown(item: Json, now: datetime) -> Json:
    status = _status(item, now)
    records = dns_records(
        item["name"],
        region=item["region"],
        return_path=item["custom_return_path"],
        tracking_subdomain=item["tracking_subdomain"],
        status=status,
    )
    if status in PARTLY:
        for record in records:
            record["status"] = "verified" if record is records[0] else PARTLY[status]
    shown = ("id", "name", "region", "capabilities", "open_tracking", "click_tracking")
    return {
        **{name: item[name] for name in shown},
        **({"tracking_subdomain": t} if (t := item["tracking_subdomain"]) else {}),
        "status": status,
        "created_at": row_stamp(item["created_at"]),
        "records": records,
    }


def _status(item: Json, now: datetime) -> str:
    if item.get("deleted"):
        return "deleted"
    then = item["then"]
    is_then = then is not None and datetime.fromisoformat(then["at"]) <= now
    return str(then["status"] if is_then else item["status"])


def _told(shown: Json) -> Json:
    told = ("id", "name", "status", "created_at", "region", "records")
    return {name: shown[name] for name in told}


ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/domains", _create),
    ("GET", "/domains", _list),
    ("GET", "/domains/{domain_id}", _get),
    ("PATCH", "/domains/{domain_id}", _update),
    ("DELETE", "/domains/{domain_id}", _remove),
    ("POST", "/domains/{domain_id}/verify", _verify),
)
