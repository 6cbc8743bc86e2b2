"""What reaches Resend: sender, reply address, key; and the harmless question of the check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mentalspace.engine.outbound import DeadlinedHttp, open_client
from mentalspace.kernel.errors import ProviderError
from mentalspace.kernel.integration import Credential
from tests.house import House, stored_secrets, until


async def test_sender_and_reply_address_are_the_seeds(house: House) -> None:
    """Without further settings a mail comes from noreply@ and is answered to support@."""
    await house.book()
    [mail] = await until(lambda: house.sandbox("GET", "/mailbox"))
    content = str(mail)
    assert "noreply@mentalspace.app" in content
    assert "support@mentalspace.app" in content
    requests = await house.sandbox("GET", "/recorder")
    assert [(r["method"], r["path"]) for r in requests if r["method"] == "POST"] == [
        ("POST", "/emails")
    ]


async def test_the_health_check_tells_a_good_key_from_a_bad_one(house: House) -> None:
    """The check asks for the domains with the bearer key, and says what the answer proves."""
    provider = house.services.rooms["email"].provider("resend")
    base_url = f"{house.services.settings.sandbox_url}/email/resend"
    good = Credential("", "default", base_url, await stored_secrets(house), "")
    async with open_client(live=False) as client:
        http = DeadlinedHttp(client, 5)
        assert await provider.adapter(http, good).check() == "key accepted"
        bad = replace(good, secrets={"api_key": "re_nobodys"})
        with pytest.raises(ProviderError) as caught:
            await provider.adapter(http, bad).check()
    assert caught.value.evidence.code == "invalid_api_key"
    requests = await house.sandbox("GET", "/recorder")
    assert {(r["method"], r["path"]) for r in requests} == {("GET", "/domains")}
