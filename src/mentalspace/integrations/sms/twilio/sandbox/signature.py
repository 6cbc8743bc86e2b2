"""Twilio's signature of a webhook, by the auth token or by a shared key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from mentalspace.emulator.accounts import Account
from mentalspace.emulator.kit import Kit
from mentalspace.integrations.sms.twilio.sandbox.site import public
from mentalspace.integrations.sms.twilio.sandbox.words import option

FORM = "application/x-www-form-urlencoded; charset=UTF-8"
PORTS = {"https": 443, "http": 80}


# source: https://www.twilio.com/docs/usage/webhooks/webhooks-security; the algorithm's header as
# twilio-python 9.13 reads it
def signed(kit: Kit, account: Account, token: str, body: bytes) -> Mapping[str, str]:
    """The headers of one try to the account's `webhook_url`; `token` is the retry's own."""
    url = signed_url(
        public(account, account.webhook_url or ""), option(kit, account, "signature_port")
    )
    content = url
    is_json = "bodySHA256" in parse_qs(urlsplit(url).query)
    if is_json:
        content = with_hash(url, body)
    else:
        pairs = parse_qsl(body.decode(), keep_blank_values=True)
        content += "".join(name + value for name, value in sorted(set(pairs)))
    headers = {
        "content-type": "application/json" if is_json else FORM,
        "user-agent": "TwilioProxy/1.1",
        "i-twilio-idempotency-token": token,
    }
    key = (account.webhook_secrets or [""])[0]
    algorithm = hashlib.sha1
    if option(kit, account, "signature") == "HMAC_SHA256":
        algorithm = hashlib.sha256
        key = str(option(kit, account, "shared_key_secret") or key)
        key_id = option(kit, account, "shared_key_id")
        headers["x-twilio-webhooks-signature-settings"] = f"key={key_id},algorithm=HMAC_SHA256"
    digest = hmac.digest(key.encode(), content.encode(), algorithm)
    headers["x-twilio-signature"] = base64.b64encode(digest).decode()
    return headers


def with_hash(url: str, body: bytes) -> str:
    """The address of a webhook whose body is JSON: it carries the body's hash."""
    parts = urlsplit(url)
    kept = [(k, v) for k, v in parse_qsl(parts.query, True) if k != "bodySHA256"]
    query = urlencode([*kept, ("bodySHA256", hashlib.sha256(body).hexdigest())])
    return urlunsplit(parts._replace(query=query))


def signed_url(url: str, port: str) -> str:
    """The address as it is signed: without its fragment; reports differ about the port."""
    parts = urlsplit(url)._replace(fragment="")
    host = parts.netloc.rpartition("@")[2]
    name, colon, _number = host.rpartition(":")
    if port == "dropped" and colon:
        parts = parts._replace(netloc=name)
    elif port == "added" and not colon:
        parts = parts._replace(netloc=f"{host}:{PORTS[parts.scheme]}")
    return urlunsplit(parts)
