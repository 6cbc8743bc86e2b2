"""What becomes of mails: by pattern, by share and seed, by the past, and by the hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mentalspace.emulator.kit import Kit, open_kit
from mentalspace.integrations.email.resend.sandbox import ResendSandbox
from mentalspace.integrations.email.resend.sandbox.errors import Problem
from mentalspace.integrations.email.resend.sandbox.fate import fate_of
from mentalspace.integrations.email.resend.sandbox.schedule import instant_of
from mentalspace.integrations.email.tests.conftest import MAIL, Client, Hooks

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)  # a Monday, 10:30 in New York


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("2026-11-24T09:00:00Z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00:00-05:00", datetime(2026, 11, 24, 14, tzinfo=UTC)),
        ("2026-11-24T09:00:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("in 1 min", NOW + timedelta(minutes=1)),
        ("in an hour", NOW + timedelta(hours=1)),
        ("in 30 days", NOW + timedelta(days=30)),
        ("tomorrow at 9am", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("today at 16:00", datetime(2026, 11, 23, 16, tzinfo=UTC)),
        ("Friday at 3pm ET", datetime(2026, 11, 27, 20, tzinfo=UTC)),
        ("monday at 10am ET", datetime(2026, 11, 30, 15, tzinfo=UTC)),
        ("Monday at 12am PT", datetime(2026, 11, 30, 8, tzinfo=UTC)),
    ],
)
def test_a_time_may_be_said_in_words(words: str, at: datetime) -> None:
    """ISO 8601, and the phrases of Resend's own page, each in its zone."""
    assert instant_of(words, NOW) == at


@pytest.mark.parametrize(
    "words",
    ["", "soon", "in 31 days", "2026-11-23T15:30:00Z", "today at 3pm", "Friday at 25:00",
     "Friday at 3pm XYZ", None, 5],
)  # fmt: skip
def test_other_times_are_refused(words: Any) -> None:
    """What cannot be read, is past, or lies over 30 days ahead."""
    with pytest.raises(Problem, match="validation_error"):
        instant_of(words, NOW)


def kit_of(directory: Path, seed: int, **options: Any) -> Kit:
    kit = open_kit(directory, seed=seed)
    ResendSandbox(kit)
    kit.journal.load()
    kit.options.put("email", "resend", options)
    return kit


async def test_shares_are_seeded_and_an_address_keeps_its_fate(tmp_path: Path) -> None:
    """A tenth bounces and a tenth is late, the same ones at each run of a seed."""

    async def fates(name: str, seed: int) -> list[str]:
        kit = kit_of(tmp_path / name, seed, bounce_share=0.1, delay_share=0.1)
        team = kit.accounts.put("email", "resend", "re_key")
        found = [fate_of(kit, team, f"c{n}@demo.example") for n in range(1000)]
        assert found[:50] == [fate_of(kit, team, f"C{n}@demo.example") for n in range(50)]
        await kit.journal.close()
        return found

    first = await fates("1", 7)
    assert first == await fates("2", 7)
    assert first != await fates("3", 8)
    for fate in ("bounced", "delayed"):
        assert 60 < first.count(fate) < 140
    assert first.count("delivered") == 1000 - first.count("bounced") - first.count("delayed")


@pytest.mark.parametrize(
    ("fate", "events", "reason"),
    [
        ("bounced_transient", ["email.sent", "email.delivery_delayed", "email.bounced"],
         ("Transient", "MailboxFull")),
        ("bounced_undetermined", ["email.sent", "email.bounced"], ("Undetermined", "Undetermined")),
        ("delayed", ["email.sent", "email.delivery_delayed", "email.delivered"], None),
        ("failed", ["email.failed"], None),
    ],
)  # fmt: skip
async def test_a_pattern_chooses_the_fate_of_a_local_part(
    client: Client, fate: str, events: list[str], reason: tuple[str, str] | None
) -> None:
    """Whose name fits meets what is chosen; only a permanent bounce leads to suppression."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"fates": {"trouble*": fate}, "delay_s": 60.0})
    mail = {**MAIL, "to": "Trouble Maker <trouble.maker@demo.example>"}
    await client.call("POST", "/emails", mail)
    kit.clock.move(61)
    (item,) = kit.outbox.items()
    assert [step.kind for step in item.so_far(kit.clock.now())] == events
    if reason is not None:
        bounce = item.steps[-1].details["bounce"]
        assert (bounce["type"], bounce["subType"]) == reason
    _status, listed, _ = await client.call("GET", "/suppressions")
    assert listed["data"] == []


@pytest.mark.parametrize(
    ("fate", "origin", "why"),
    [("bounced", "bounce", "previous_bounce"), ("complained", "complaint", "previous_complaint")],
)
async def test_who_bounced_or_complained_gets_nothing_more(
    client: Client, hooks: Hooks, fate: str, origin: str, why: str
) -> None:
    """The address goes on the list once it has happened, and the next mail is suppressed."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"fates": {"client": fate}})
    _status, first, _ = await client.call("POST", "/emails", MAIL)
    await hooks.told("suppression.added")
    _status, found, _ = await client.call("GET", "/suppressions/client@demo.example")
    assert (found["origin"], found["source_id"]) == (origin, first["id"])
    await client.call("POST", "/emails", MAIL)
    await hooks.told("email.suppressed")
    details = kit.outbox.items()[0].steps[-1].details["suppressed"]
    assert (details["type"], details["reason"]) == ("OnAccountSuppressionList", why)


async def test_test_addresses_are_never_suppressed(client: Client) -> None:
    """bounced@resend.dev bounces each time."""
    for _ in range(2):
        await client.call("POST", "/emails", {**MAIL, "to": "bounced@resend.dev"})
        client.sandbox.world.kit.clock.move(60)
    kinds = {item.steps[-1].kind for item in client.sandbox.world.kit.outbox.items()}
    assert kinds == {"email.bounced"}


async def test_opens_and_clicks_are_told_where_the_domain_tracks_them(client: Client) -> None:
    """Nobody opens a mail of a domain without tracking; with it, a share does."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"open_share": 1.0, "click_share": 0.0})
    await client.call("POST", "/emails", MAIL)
    _status, domains, _ = await client.call("GET", "/domains")
    await client.call("PATCH", f"/domains/{domains['data'][0]['id']}", {"open_tracking": True})
    await client.call("POST", "/emails", MAIL)
    last, first = (item.steps[-1].kind for item in kit.outbox.items())
    assert (first, last) == ("email.delivered", "email.opened")


async def test_a_cancelled_mail_is_never_sent(client: Client, hooks: Hooks) -> None:
    """Neither it nor the bounce it would have had is ever told of, and nobody is suppressed."""
    kit = client.sandbox.world.kit
    kit.options.put("email", "resend", {"fates": {"client": "bounced"}})
    later = {**MAIL, "scheduled_at": "in 1 hour"}
    _status, sent, _ = await client.call("POST", "/emails", later)
    await hooks.told("email.scheduled")
    await client.call("POST", f"/emails/{sent['id']}/cancel", {})
    kit.clock.move(7200)
    kit.options.put("email", "resend", {"fates": {}})
    await client.call("POST", "/emails", MAIL)
    await hooks.told("email.delivered")
    assert sorted(hooks.types()) == ["email.delivered", "email.scheduled", "email.sent"]
    _status, listed, _ = await client.call("GET", "/suppressions")
    assert listed["data"] == []
