"""How long Twilio waits for a webhook's answer, and whether it tries again."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from mentalspace.emulator.hooks import Ending

# source: https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
LIMITS = {
    "ct": (100, 10_000, 5_000),
    "rt": (100, 15_000, 15_000),
    "tt": (100, 15_000, 15_000),
    "rc": (0, 5, 1),
}


class TwilioManners:
    """By the address's fragment, such as `#rc=3&rp=all`. Twilio tries again without a pause."""

    def within_s(self, url: str) -> tuple[float, float]:
        total = min(_number(url, "tt"), _number(url, "ct") + _number(url, "rt"))
        return _number(url, "ct") / 1000, total / 1000

    def again_s(self, url: str, tries: int, ending: Ending) -> float | None:
        if tries > _number(url, "rc"):
            return None
        wanted = ",".join(_settings(url).get("rp", ["ct"])).split(",")
        met = {"connect": "ct", "read": "rt"}.get(str(ending), f"{str(ending)[0]}xx")
        return 0.0 if met in wanted or "all" in wanted else None


def _settings(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).fragment)


def _number(url: str, name: str) -> int:
    low, high, usual = LIMITS[name]
    given = _settings(url).get(name, [""])[-1]
    return min(high, max(low, int(given))) if given.isdigit() else usual
