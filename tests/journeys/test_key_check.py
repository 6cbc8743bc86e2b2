"""A key is revoked at a provider to which nothing is sent just now."""

from __future__ import annotations

from mentalspace.console.queries.card_state import Told, states_of
from mentalspace.engine.adapters import Adapters
from mentalspace.engine.credential_check import check_credentials, read_checked
from mentalspace.engine.outbound import open_client
from tests.console.test_silent_cards import ID, WELL
from tests.house import House


async def _ask(house: House) -> None:
    services = house.services
    async with services.database.as_dispatcher() as connection:
        await connection.execute("update credential_check set asked_at = '-infinity'")
    async with open_client(live=False) as client:
        adapters = Adapters(
            services.database, services.vault, services.rooms, {False: client}, "http://localhost"
        )
        await check_credentials(services.database, adapters, services.runbooks)


async def test_a_revoked_key_is_found_before_it_is_needed(house: House) -> None:
    """No document was copied: our own harmless question finds it, and its card says so."""
    await _ask(house)
    for account in await house.sandbox("GET", "/accounts"):
        if account["provider"] == "supabase":
            path = f"/accounts/storage/supabase/{account['id']}/keys"
            for key in account["keys"]:
                await house.sandbox("DELETE", f"{path}/{key}")
    await _ask(house)
    async with house.services.database.as_oncall() as connection:
        checked = await read_checked(connection)
        rows = await connection.fetch(
            "select id from credential where provider = 'supabase' and active"
        )
    assert set(checked) == {row["id"] for row in rows} != set()
    one = checked[rows[0]["id"]]
    assert one.case_id == "storage.unauthorized"
    [state] = states_of(WELL, (), None, Told(checked={ID: one}))
    assert (state.word, state.tone) == ("Key refused", "bad")
    assert "found by our own check at" in state.meaning
