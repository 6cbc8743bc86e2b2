"""The SMS room's seam."""

from mentalspace.integrations.sms.model import Text, guard, weight
from mentalspace.integrations.sms.sender.examine import examine
from mentalspace.integrations.sms.twilio import webhooks
from mentalspace.integrations.sms.twilio.adapter import TwilioAdapter
from mentalspace.integrations.sms.twilio.wire import LIVE_BASE_URL, refuse_outside_tests
from mentalspace.kernel.integration import (
    CredentialField,
    Integration,
    Provider,
    Rate,
    StatusPage,
)


def sample(recipient: str) -> bytes:
    return Text(recipient, "A test of the connection.", "sample", "en").to_bytes()


twilio = Provider(
    name="twilio",
    package="mentalspace.integrations.sms.twilio",
    title="Twilio",
    live_base_url=LIVE_BASE_URL,
    base_url_env="TWILIO_BASE_URL",
    credential_fields=(
        CredentialField(
            "account_sid", "TWILIO_ACCOUNT_SID", demo="AC{hex}", identifies=True, known=True
        ),
        CredentialField(
            "auth_token", "TWILIO_AUTH_TOKEN", demo="{hex}", identifies=True, signs=True
        ),
        CredentialField("phone_number", "TWILIO_PHONE_NUMBER", demo="+15005550006", known=True),
        CredentialField(
            "messaging_service_sid", "TWILIO_MESSAGING_SERVICE_SID", optional=True, known=True
        ),
        CredentialField("webhook_key", "TWILIO_WEBHOOK_KEY", optional=True),
    ),
    # In segments: what a sender gets depends on its registration; a practice's own is a row of
    # its credential. source: https://help.twilio.com/articles/115002943027
    rate=Rate(per_s=10),
    adapter=TwilioAdapter,
    guard=guard,
    deadline_s=10,
    verify_webhook=webhooks.verify,
    parse_webhook=webhooks.parse,
    webhook_answer=webhooks.ANSWER,
    refuse_outside_tests=refuse_outside_tests,
    status_page=StatusPage("https://status.twilio.com", env="TWILIO_STATUS_URL"),
    weight=weight,
    hears=True,
    looks_up_numbers=True,
)

integration = Integration(
    name="sms",
    title="SMS",
    package="mentalspace.integrations.sms",
    providers=(twilio,),
    sample=sample,
    examine=examine,
)
