"""Every setting, read once at start from the environment and passed downward as a value."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from mentalspace.kernel.errors import SettingsError
from mentalspace.kernel.otlp import Otlp, read_otlp


class Mode(StrEnum):
    DEMO = "demo"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, and what opens it: keys, or without them whatever the host may be by itself."""

    endpoint: str
    bucket: str
    region: str
    key: str | None = field(repr=False)
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """`environment` keeps the raw mapping so that rooms can read the names they declare."""

    mode: Mode
    home: Path
    port: int
    database_url: str | None = field(repr=False)
    master_key: bytes | None = field(repr=False)
    master_key_before: bytes | None = field(repr=False)
    jwt_secret: str | None = field(repr=False)
    jwt_secret_before: str | None = field(repr=False)
    link_keys: tuple[str, ...]
    text_regions: frozenset[str]
    site_url: str
    runbooks: Path | None
    storage: Path
    storage_true_status: bool
    storage_s3: S3Place | None
    storage_quota_bytes: int
    clamav: str | None
    demo_password: str | None = field(repr=False)
    metrics_token: str | None = field(repr=False)
    metrics_practices: bool
    alertmanager_token: str | None = field(repr=False)
    page_urls: Mapping[str, tuple[str, ...]] = field(repr=False)
    heartbeat_url: str | None = field(repr=False)
    pagerduty_url: str | None
    otlp: Otlp | None
    environment: Mapping[str, str] = field(repr=False)

    @property
    def sandbox_port(self) -> int:
        return self.port + 1

    @property
    def sandbox_ports(self) -> range:
        """The sandbox's: HTTP's first, then those of emulators that speak something else."""
        return range(self.port + 1, self.port + 1 + SANDBOX_PORTS)

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def dns_port(self) -> int:
        """Where the sandbox's name server is."""
        return self.port + 3

    @property
    def paging_url(self) -> str:
        """Where PagerDuty's events go: as set; else the sandbox's in a demo, and PagerDuty's."""
        if self.pagerduty_url is not None:
            return self.pagerduty_url
        if self.mode is Mode.PRODUCTION:
            return PAGERDUTY_URL
        return f"{self.sandbox_url}/pagerduty"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def is_production(self) -> bool:
        return self.mode is Mode.PRODUCTION


# How many ports after the console's belong to the sandbox.
SANDBOX_PORTS = 3

# source: https://developer.pagerduty.com/docs/events-api-v2/overview
PAGERDUTY_URL = "https://events.pagerduty.com"

# Whom a page may go to; one variable each, Apprise addresses separated by spaces.
PAGE_TARGETS = ("oncall", "cto", "assigned", "tickets", "drill")


_OURS = "MENTALSPACE_"
_KNOWN = frozenset(
    _OURS + name
    for name in (
        "ALERTMANAGER_TOKEN", "CLAMAV", "DEMO_DAY", "DEMO_PASSWORD", "ENV", "HEARTBEAT_URL", "HOME",
        "JWT_SECRET", "JWT_SECRET_BEFORE", "LINK_KEYS", "MASTER_KEY", "MASTER_KEY_BEFORE",
        "METRICS_PRACTICES", "METRICS_TOKEN", "PAGERDUTY_URL", "PORT", "RUNBOOKS", "STORAGE",
        "STORAGE_QUOTA", "STORAGE_S3", "STORAGE_S3_KEY", "STORAGE_S3_REGION", "STORAGE_S3_SECRET",
        "STORAGE_STATUS", "TEXT_REGIONS",
        *(f"PAGE_{target.upper()}" for target in PAGE_TARGETS),
    )
)  # fmt: skip
_NAME = re.compile(r"MENTALSPACE_[A-Z0-9_]{1,40}")
_PORT = re.compile(r"[0-9]{1,5}")
_QUOTA = re.compile(r"([0-9]{1,6})(GB|TB)")
_LINK_KEY = re.compile(r"[a-z0-9]{1,8}")
# source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_S3_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[A-Z]{2}")
_LAST_PORT = 65535 - SANDBOX_PORTS


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read and validate. Raises SettingsError with one plain line per mistake.

    Values never appear in a message: the wrong one may be a secret in the wrong place.
    """
    mistakes: list[str] = []
    mode = _mode(environment, mistakes)
    settings = Settings(
        mode=mode,
        home=Path(environment.get("MENTALSPACE_HOME", ".mentalspace")).absolute(),
        port=_port(environment, mistakes),
        database_url=_database_url(environment, mistakes),
        master_key=_master_key(
            "MENTALSPACE_MASTER_KEY", environment.get("MENTALSPACE_MASTER_KEY"), mistakes
        ),
        master_key_before=_master_key(
            "MENTALSPACE_MASTER_KEY_BEFORE",
            environment.get("MENTALSPACE_MASTER_KEY_BEFORE"),
            mistakes,
        ),
        jwt_secret=_long_secret(
            "MENTALSPACE_JWT_SECRET", environment.get("MENTALSPACE_JWT_SECRET"), mistakes
        ),
        jwt_secret_before=_long_secret(
            "MENTALSPACE_JWT_SECRET_BEFORE",
            environment.get("MENTALSPACE_JWT_SECRET_BEFORE"),
            mistakes,
        ),
        link_keys=_link_keys(environment, mistakes),
        text_regions=_text_regions(environment, mistakes),
        site_url=_site_url(environment, mistakes),
        runbooks=_runbooks(environment, mistakes),
        storage=_storage(environment),
        storage_true_status=_storage_status(environment, mistakes),
        storage_s3=_storage_s3(environment, mistakes),
        storage_quota_bytes=_storage_quota(environment, mistakes),
        clamav=_clamav(environment, mistakes),
        demo_password=environment.get("MENTALSPACE_DEMO_PASSWORD") or None,
        metrics_token=_long_secret(
            "MENTALSPACE_METRICS_TOKEN", environment.get("MENTALSPACE_METRICS_TOKEN"), mistakes
        ),
        metrics_practices=_switch(
            "MENTALSPACE_METRICS_PRACTICES",
            environment.get("MENTALSPACE_METRICS_PRACTICES", "off"),
            mistakes,
        ),
        alertmanager_token=_long_secret(
            "MENTALSPACE_ALERTMANAGER_TOKEN",
            environment.get("MENTALSPACE_ALERTMANAGER_TOKEN"),
            mistakes,
        ),
        page_urls={
            target: tuple(environment.get(f"MENTALSPACE_PAGE_{target.upper()}", "").split())
            for target in PAGE_TARGETS
        },
        heartbeat_url=_outside_url(
            "MENTALSPACE_HEARTBEAT_URL", environment.get("MENTALSPACE_HEARTBEAT_URL"), mistakes
        ),
        pagerduty_url=_outside_url(
            "MENTALSPACE_PAGERDUTY_URL", environment.get("MENTALSPACE_PAGERDUTY_URL"), mistakes
        ),
        otlp=read_otlp(environment, mistakes),
        environment=environment,
    )
    mistakes += _unknown_names(environment)
    if mode is Mode.PRODUCTION:
        mistakes += production_mistakes(settings)
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _unknown_names(environment: Mapping[str, str]) -> list[str]:
    """A misspelt name must not pass for the default: production would quietly be a demo."""
    unknown = sorted(
        name
        for name in environment
        if _NAME.fullmatch(name) and name not in _KNOWN and not name.startswith(f"{_OURS}TEST_")
    )
    return [f"{name}: there is no such setting; see docs/reference/settings.md" for name in unknown]


def _mode(environment: Mapping[str, str], mistakes: list[str]) -> Mode:
    value = environment.get("MENTALSPACE_ENV", "demo")
    if value not in set(Mode):
        mistakes.append("MENTALSPACE_ENV: use demo or production")
        return Mode.DEMO
    return Mode(value)


def _port(environment: Mapping[str, str], mistakes: list[str]) -> int:
    value = environment.get("MENTALSPACE_PORT", "8080")
    if not _PORT.fullmatch(value) or not 1 <= int(value) <= _LAST_PORT:
        mistakes.append(
            f"MENTALSPACE_PORT: use a port from 1 to {_LAST_PORT};"
            f" the sandboxes take the next {SANDBOX_PORTS}"
        )
        return 8080
    return int(value)


def _database_url(environment: Mapping[str, str], mistakes: list[str]) -> str | None:
    value = environment.get("DATABASE_URL") or None
    if value is not None and _split(value).scheme not in ("postgresql", "postgres"):
        mistakes.append("DATABASE_URL: begin with postgresql://, or unset it for the embedded one")
    return value


def _split(value: str) -> SplitResult:
    """Nothing at all for what is no address: urlsplit raises, and quotes it."""
    try:
        return urlsplit(value)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _master_key(name: str, value: str | None, mistakes: list[str]) -> bytes | None:
    if not value:
        return None
    try:
        key = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        mistakes.append(f"{name}: give 32 random bytes in URL-safe base64")
    return key


def _long_secret(name: str, value: str | None, mistakes: list[str]) -> str | None:
    if value and len(value) < 32:
        mistakes.append(f"{name}: give at least 32 characters")
    return value or None


def _switch(name: str, value: str, mistakes: list[str]) -> bool:
    if value not in ("on", "off"):
        mistakes.append(f"{name}: use on or off")
    return value == "on"


def _link_keys(environment: Mapping[str, str], mistakes: list[str]) -> tuple[str, ...]:
    """Names of keys, no secrets: the keys follow from the master key."""
    names = tuple(environment.get("MENTALSPACE_LINK_KEYS", "").split()) or ("1",)
    if len(set(names)) < len(names) or not all(_LINK_KEY.fullmatch(name) for name in names):
        mistakes.append("MENTALSPACE_LINK_KEYS: give names such as 2 1, each once; the first signs")
    return names


def _text_regions(environment: Mapping[str, str], mistakes: list[str]) -> frozenset[str]:
    """Where log-in codes go by text: elsewhere somebody may be paid for each of them."""
    names = environment.get("MENTALSPACE_TEXT_REGIONS", "").split() or ["US"]
    if not all(_REGION.fullmatch(name) for name in names):
        mistakes.append("MENTALSPACE_TEXT_REGIONS: give countries by two letters, such as US CA")
    return frozenset(names)


def _site_url(environment: Mapping[str, str], mistakes: list[str]) -> str:
    value = environment.get("SITE_URL", "")
    if not value:
        return f"http://127.0.0.1:{environment.get('MENTALSPACE_PORT', '8080')}"
    if _split(value).scheme not in ("http", "https") or not _split(value).netloc:
        mistakes.append("SITE_URL: give the address clients reach, such as https://example.org")
    return value.rstrip("/")


def _runbooks(environment: Mapping[str, str], mistakes: list[str]) -> Path | None:
    value = environment.get("MENTALSPACE_RUNBOOKS")
    if not value:
        return None
    if not Path(value).is_dir():
        mistakes.append("MENTALSPACE_RUNBOOKS: name an existing directory")
    return Path(value).absolute()


def _storage(environment: Mapping[str, str]) -> Path:
    """Under home unless it is set; hosts that serve the same files share one folder."""
    home = environment.get("MENTALSPACE_HOME", ".mentalspace")
    value = environment.get("MENTALSPACE_STORAGE")
    return (Path(value) if value else Path(home) / "storage").absolute()


def _storage_status(environment: Mapping[str, str], mistakes: list[str]) -> bool:
    value = environment.get("MENTALSPACE_STORAGE_STATUS", "compatible")
    if value not in ("compatible", "true"):
        mistakes.append("MENTALSPACE_STORAGE_STATUS: use compatible or true")
    return value == "true"


def _storage_quota(environment: Mapping[str, str], mistakes: list[str]) -> int:
    """A gigabyte is a thousand million bytes."""
    found = _QUOTA.fullmatch(environment.get("MENTALSPACE_STORAGE_QUOTA", "100GB"))
    if found is None or not int(found[1]):
        mistakes.append("MENTALSPACE_STORAGE_QUOTA: give a size such as 100GB or 2TB")
        return 100 * 1000**3
    return int(found[1]) * 1000 ** (3 if found[2] == "GB" else 4)


def _clamav(environment: Mapping[str, str], mistakes: list[str]) -> str | None:
    value = environment.get("MENTALSPACE_CLAMAV") or None
    if value is None:
        return None
    kind, _, place = value.partition(":")
    host, _, port = place.rpartition(":")
    sound = (kind == "unix" and place.startswith("/")) or (
        kind == "tcp" and bool(host) and bool(_PORT.fullmatch(port)) and 0 < int(port) < 65536
    )
    if not sound:
        mistakes.append("MENTALSPACE_CLAMAV: use unix:/PATH/TO/SOCKET or tcp:HOST:PORT")
        return None
    return value


def _storage_s3(environment: Mapping[str, str], mistakes: list[str]) -> S3Place | None:
    key = environment.get("MENTALSPACE_STORAGE_S3_KEY") or None
    secret = environment.get("MENTALSPACE_STORAGE_S3_SECRET") or None
    region = environment.get("MENTALSPACE_STORAGE_S3_REGION") or "us-east-1"
    value = environment.get("MENTALSPACE_STORAGE_S3")
    if not value:
        return None
    parts = _split(value)
    path, _, bucket = parts.path.rstrip("/").rpartition("/")
    inside = parts.hostname in ("127.0.0.1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and inside):
        mistakes.append("MENTALSPACE_STORAGE_S3: give the service's address, with https://")
    if not _S3_BUCKET.fullmatch(bucket):
        mistakes.append("MENTALSPACE_STORAGE_S3: end the address with the bucket's name")
    if (key is None) != (secret is None):
        mistakes.append("MENTALSPACE_STORAGE_S3_KEY: give it and its secret, or neither")
    endpoint = f"{parts.scheme}://{parts.netloc}{path}"
    return S3Place(endpoint, bucket, region, key, secret)


def _outside_url(name: str, value: str | None, mistakes: list[str]) -> str | None:
    if not value:
        return None
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        sound = False
    if not sound:
        mistakes.append(f"{name}: give the address to call, with https://")
    return value.rstrip("/")


def production_mistakes(settings: Settings) -> list[str]:
    """What production would not start without, or with; one line each."""
    needed = {
        "MENTALSPACE_MASTER_KEY": settings.master_key,
        "MENTALSPACE_JWT_SECRET": settings.jwt_secret,
        "DATABASE_URL": settings.database_url,
        "SITE_URL": settings.environment.get("SITE_URL"),
        "MENTALSPACE_PAGE_ONCALL": settings.page_urls["oncall"],
    }
    mistakes = [f"{name}: production needs it" for name, value in needed.items() if not value]
    if settings.demo_password:
        mistakes.append("MENTALSPACE_DEMO_PASSWORD: production has no demo log-ins; unset it")
    if settings.site_url.startswith("http://"):
        mistakes.append("SITE_URL: production links must be https")
    return mistakes
