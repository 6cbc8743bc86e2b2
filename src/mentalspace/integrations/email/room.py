"""The email room's seam."""

from mentalspace.integrations.email.domain.examine import examine
from mentalspace.integrations.email.model import fits_batch, guard
from mentalspace.integrations.email.resend import webhooks
from mentalspace.integrations.email.resend.adapter import ResendAdapter
from mentalspace.integrations.email.resend.wire import (
    IDEMPOTENCY_WINDOW,
    LIVE_BASE_URL,
    MOST_IN_BATCH,
    is_for_tests,
    refuse_outside_tests,
)
from mentalspace.integrations.email.smtp.adapter import SmtpAdapter
from mentalspace.kernel.integration import (
    Batch,
    CredentialField,
    Door,
    Integration,
    Provider,
    Rate,
    StatusPage,
)

resend = Provider(
    name="resend",
    package="mentalspace.integrations.email.resend",
    title="Resend",
    live_base_url=LIVE_BASE_URL,
    base_url_env="RESEND_BASE_URL",
    credential_fields=(
        CredentialField(
            "api_key", "RESEND_API_KEY", demo="re_{endpoint}_{random}", identifies=True
        ),
        CredentialField(
            "webhook_secret", "RESEND_WEBHOOK_SECRET", demo="whsec_{random}", signs=True
        ),
    ),
    # source: https://resend.com/docs/api-reference/rate-limit (10 a second for a team)
    rate=Rate(per_s=10),
    batch=Batch(most=MOST_IN_BATCH, fits=fits_batch, key_lasts=IDEMPOTENCY_WINDOW),
    adapter=ResendAdapter,
    guard=guard,
    deadline_s=10,
    verify_webhook=webhooks.verify,
    parse_webhook=webhooks.parse,
    refuse_outside_tests=refuse_outside_tests,
    is_for_tests=is_for_tests,
    status_page=StatusPage("https://resend-status.com", env="RESEND_STATUS_URL"),
)

smtp = Provider(
    name="smtp",
    package="mentalspace.integrations.email.smtp",
    title="SMTP relay",
    live_base_url=None,
    base_url_env="SMTP_BASE_URL",
    credential_fields=(
        CredentialField("username", "SMTP_USERNAME", demo="{endpoint}", identifies=True),
        CredentialField("password", "SMTP_PASSWORD", demo="{random}", identifies=True),
    ),
    # Relays differ; this is what the smaller plans of most allow.
    rate=Rate(per_s=10),
    adapter=SmtpAdapter,
    guard=guard,
    deadline_s=30,
    follows=False,  # what a relay took, it took: failures come back as mails of their own
    encrypted=("smtps", "smtp"),  # with smtp the adapter insists on STARTTLS
    sandbox_door=Door("smtp", 2),
)

integration = Integration(
    name="email",
    title="Email",
    package="mentalspace.integrations.email",
    providers=(resend, smtp),
    examine=examine,
)
