"""A customer's public address, and where on this machine the same site is reached."""

from __future__ import annotations

from mentalspace.emulator.accounts import Account


def local(account: Account, url: str) -> str:
    """Where a webhook to this address is posted."""
    return _swapped(account, url, "site_url", "reached_at")


def public(account: Account, url: str) -> str:
    """The address as the customer knows it, by which its webhooks are signed."""
    return _swapped(account, url, "reached_at", "site_url")


def _swapped(account: Account, url: str, old: str, new: str) -> str:
    before, after = account.profile.get(old), account.profile.get(new)
    if before and after and url.startswith(f"{before}/"):
        return str(after) + url[len(str(before)) :]
    return url
