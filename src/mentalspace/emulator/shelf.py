"""A provider's smaller things: domains, templates, suppressed addresses, and the like."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mentalspace.emulator.journal import Journal, Record

Item = dict[str, Any]


class Shelf:
    """JSON objects by account, kind and id. Never change one in place: put it anew."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._items: dict[tuple[str, str], dict[str, Item]] = {}
        journal.on("shelved", self._apply_put)
        journal.on("unshelved", self._apply_removed)
        journal.compact(["shelved", "unshelved"], self._snapshot)

    def put(self, account: str, thing: str, item_id: str, item: Item) -> Item:
        """Create or replace."""
        self._journal.emit("shelved", account=account, thing=thing, id=item_id, item=item)
        return item

    def remove(self, account: str, thing: str, item_id: str) -> None:
        """Gone already is fine."""
        if self.get(account, thing, item_id) is not None:
            self._journal.emit("unshelved", account=account, thing=thing, id=item_id)

    def get(self, account: str, thing: str, item_id: str) -> Item | None:
        return self._items.get((account, thing), {}).get(item_id)

    def all(self, account: str, thing: str) -> list[Item]:
        """Oldest first."""
        return list(self._items.get((account, thing), {}).values())

    def _apply_put(self, record: Record) -> None:
        where = (record["account"], record["thing"])
        self._items.setdefault(where, {})[record["id"]] = record["item"]

    def _apply_removed(self, record: Record) -> None:
        self._items[record["account"], record["thing"]].pop(record["id"], None)

    def _snapshot(self) -> Iterable[Record]:
        for (account, thing), items in self._items.items():
            for item_id, item in items.items():
                yield {
                    "kind": "shelved",
                    "account": account,
                    "thing": thing,
                    "id": item_id,
                    "item": item,
                }
