"""Settings: every mistake one clear line, no value in any of them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.settings import PAGE_TARGETS, Mode, load_settings

KEY = base64.urlsafe_b64encode(b"k" * 32).decode()
PRODUCTION = {
    "MENTALSPACE_ENV": "production",
    "MENTALSPACE_MASTER_KEY": KEY,
    "MENTALSPACE_JWT_SECRET": "j" * 40,
    "DATABASE_URL": "postgresql://owner:pw@db.example/mentalspace",
    "SITE_URL": "https://clinic.example/",
    "MENTALSPACE_PAGE_ONCALL": "json://pager.example/a tgram://token/chat",
}
NAMES = (
    "MENTALSPACE_ENV", "MENTALSPACE_HOME", "MENTALSPACE_PORT", "DATABASE_URL",
    "MENTALSPACE_MASTER_KEY", "MENTALSPACE_JWT_SECRET", "SITE_URL", "MENTALSPACE_RUNBOOKS",
    "MENTALSPACE_DEMO_PASSWORD", "MENTALSPACE_PAGE_ONCALL",
)  # fmt: skip


def test_nothing_set_is_a_demo() -> None:
    """Without a single variable it is a demo on port 8080 with its sandboxes on the next."""
    settings = load_settings({})
    assert settings.mode is Mode.DEMO
    assert (settings.port, settings.sandbox_port) == (8080, 8081)
    assert settings.home == Path(".mentalspace").absolute()
    assert settings.database_url is None
    assert settings.site_url == "http://127.0.0.1:8080"


def test_a_full_production() -> None:
    """With its secrets production starts, and pages know their addresses."""
    settings = load_settings(PRODUCTION)
    assert settings.is_production
    assert settings.master_key == b"k" * 32
    assert settings.site_url == "https://clinic.example"
    assert settings.page_urls["oncall"] == ("json://pager.example/a", "tgram://token/chat")
    assert settings.page_urls["cto"] == ()
    assert set(settings.page_urls) == set(PAGE_TARGETS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MENTALSPACE_ENV", "prod-S3CRET"),
        ("MENTALSPACE_PORT", "80x-S3CRET"),
        ("MENTALSPACE_PORT", "0"),
        ("MENTALSPACE_PORT", "65535"),
        ("MENTALSPACE_PORT", "-1"),
        ("MENTALSPACE_PORT", "²"),
        ("MENTALSPACE_PORT", "9" * 5000),
        ("DATABASE_URL", "mysql://root:S3CRET@h/db"),
        ("DATABASE_URL", "S3CRET"),
        ("DATABASE_URL", "postgresql://[::1/S3CRET"),
        ("MENTALSPACE_MASTER_KEY", "S3CRET"),
        ("MENTALSPACE_MASTER_KEY", "ключ-S3CRET"),
        ("MENTALSPACE_MASTER_KEY", base64.urlsafe_b64encode(b"k" * 31).decode()),
        ("MENTALSPACE_JWT_SECRET", "S3CRET"),
        ("MENTALSPACE_LINK_KEYS", "2 S3CRET"),
        ("MENTALSPACE_LINK_KEYS", "s3cret s3cret"),
        ("SITE_URL", "clinic.example/S3CRET"),
        ("SITE_URL", "https://?S3CRET"),
        ("SITE_URL", "https://[S3CRET"),
        ("MENTALSPACE_RUNBOOKS", "/nowhere/S3CRET"),
    ],
)
def test_one_mistake_is_one_line(name: str, value: str) -> None:
    """A wrong value gives one line: its name, what to do about it, and never the value."""
    with pytest.raises(SettingsError) as raised:
        load_settings({name: value})
    [line] = raised.value.mistakes
    assert str(raised.value) == line
    assert line.startswith(f"{name}: ")
    assert len(line) > len(name) + 15
    assert "S3CRET" not in line
    assert value not in line.removeprefix(name)


def test_a_misspelt_name_is_told() -> None:
    """A name of ours that nothing reads is a mistake, not the default; one for tests is let be."""
    with pytest.raises(SettingsError, match="MENTALSPACE_MODE: there is no such setting"):
        load_settings({"MENTALSPACE_MODE": "production"})
    assert load_settings({"MENTALSPACE_TEST_POSTGRES": "16"}).mode is Mode.DEMO


def test_all_mistakes_are_told_at_once() -> None:
    """Three wrong values are three lines, so that one start finds them all."""
    with pytest.raises(SettingsError) as raised:
        load_settings({"MENTALSPACE_PORT": "x", "SITE_URL": "x", "MENTALSPACE_JWT_SECRET": "x"})
    assert sorted(line.partition(":")[0] for line in raised.value.mistakes) == [
        "MENTALSPACE_JWT_SECRET",
        "MENTALSPACE_PORT",
        "SITE_URL",
    ]


@pytest.mark.parametrize(
    "missing",
    ["MENTALSPACE_MASTER_KEY", "MENTALSPACE_JWT_SECRET", "DATABASE_URL", "SITE_URL",
     "MENTALSPACE_PAGE_ONCALL"],
)  # fmt: skip
@pytest.mark.parametrize("empty", [True, False])
def test_production_refuses_without_each_of_its_secrets(missing: str, empty: bool) -> None:
    """Missing or empty, what production needs is named, and it does not start."""
    environment = {name: value for name, value in PRODUCTION.items() if name != missing}
    if empty:
        environment[missing] = ""
    with pytest.raises(SettingsError) as raised:
        load_settings(environment)
    assert f"{missing}: production needs it" in raised.value.mistakes


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MENTALSPACE_DEMO_PASSWORD", "hunter22", "no demo log-ins"),
        ("SITE_URL", "http://clinic.example", "must be https"),
    ],
)
def test_production_refuses_what_only_a_demo_may(name: str, value: str, says: str) -> None:
    """A demo password or a link without TLS stops a production start."""
    with pytest.raises(SettingsError, match=says) as raised:
        load_settings({**PRODUCTION, name: value})
    assert len(raised.value.mistakes) == 1
    assert value not in str(raised.value)


def test_settings_do_not_print_their_secrets() -> None:
    """The settings as text hold no key, password, database address or pager address."""
    shown = repr(load_settings({**PRODUCTION, "RESEND_API_KEY": "re_S3CRET"}))
    for secret in ("jjjj", "kkkk", KEY, "re_S3CRET", "tgram", "owner:pw"):
        assert secret not in shown


@given(
    st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30).filter(lambda t: "\0" not in t))
)
def test_any_environment_is_taken_or_explained(environment: dict[str, str]) -> None:
    """Whatever the environment holds, the answer is settings or lines that begin with a name."""
    try:
        load_settings(environment)
    except SettingsError as error:
        for line in error.mistakes:
            assert line.partition(":")[0] in {*NAMES}
            assert "\n" not in line
