"""The storage room's seam."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from mentalspace.integrations.storage.desk import shelf_of
from mentalspace.integrations.storage.document import (
    guard,
    refuse_outside_tests,
    sample_document,
)
from mentalspace.integrations.storage.landed import ShelfLandings
from mentalspace.integrations.storage.model import PREFIX
from mentalspace.integrations.storage.supabase.adapter import SupabaseAdapter
from mentalspace.kernel.integration import (
    Credential,
    CredentialField,
    Http,
    Integration,
    Provider,
    Rate,
    SentAgain,
    StatusPage,
)
from mentalspace.kernel.settings import Settings

# A hundred megabytes in two minutes is what a modest line carries.
DEADLINE_S = 120.0


supabase = Provider(
    name="supabase",
    package="mentalspace.integrations.storage.supabase",
    title="Supabase Storage",
    live_base_url=None,
    base_url_env="SUPABASE_URL",
    credential_fields=(
        CredentialField(
            "service_role_key",
            "SUPABASE_SERVICE_ROLE_KEY",
            demo="sb_secret_{hex}",
            identifies=True,
        ),
    ),
    # Nothing is promised; Storage's own pool answers some hundred small requests a second.
    rate=Rate(per_s=20, burst=5),
    adapter=SupabaseAdapter,
    guard=guard,
    deadline_s=DEADLINE_S,
    refuse_outside_tests=refuse_outside_tests,
    status_page=StatusPage("https://status.supabase.com", env="SUPABASE_STATUS_URL"),
)


def opened(settings: Settings, database: Any, vault: Any) -> Integration:
    """With the shelf that documents leave from, and what opens them."""
    shelf = shelf_of(settings)

    def adapter(http: Http, credential: Credential) -> SupabaseAdapter:
        landings = ShelfLandings(database, vault, shelf, UUID(credential.practice))
        return SupabaseAdapter(http, credential, landings)

    return replace(integration, providers=(replace(supabase, adapter=adapter),))


def routes() -> Any:
    """Only who serves them loads them, and with them the web."""
    from mentalspace.integrations.storage.routes import routes

    return routes()


integration = Integration(
    name="storage",
    title="File storage",
    package="mentalspace.integrations.storage",
    providers=(supabase,),
    routes=routes,
    streams=(f"{PREFIX}/",),
    sample=sample_document,
    opened=opened,
    sent_again=SentAgain(
        kind="document",
        kept="storage.version_is_kept",
        gone="The version it was to copy is not kept here any more",
    ),
)
