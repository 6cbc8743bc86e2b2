"""After the storm: what was lost, sent twice, left open, or written where it must not be."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from mentalspace.engine.db import Connection, connect_owner
from mentalspace.engine.services import Services
from mentalspace.kernel.ids import reference_of
from mentalspace.workflows.sandbox_keeping import call_sandbox
from tests.torture.load import Booking

ENDED_WELL = frozenset({"accepted", "delivered", "bounced"})
SHOWN_TO_A_PERSON = frozenset({"held", "refused"})
# A page to staff is given up after its half hour, by design, and is no client's message; but then
# somebody must have been paged otherwise, or have had the incident already.
OF_NO_USE = ("staff_page", "expired")
STAFF = re.compile(r"\b(admin|oncall|frontdesk|clinician|biller)@demo\.example")
ADDRESS = re.compile(r"[A-Za-z0-9_.+-]+@(?:demo\.example|resend\.dev)")
# A shorter line of a mail, such as its greeting, may stand in a log by chance.
SHORTEST_LINE = 18
# What is unknown for so long, by the installation's clock, a person has seen.
SEEN_WITHIN_S = 900.0

# Each time that an outcome was unknown, from the first lost answer until it was known again or
# held. The ledger forgets when it was; so the campaign's own database keeps it.
_KEEP_UNKNOWN = """
create table public.torture_unknown (
  delivery_id uuid, began_at timestamptz, ended_at timestamptz);
create function public.torture_keep() returns trigger language plpgsql security definer as $$
begin
  insert into public.torture_unknown values (old.id, old.unknown_at, app.now());
  return null;
end $$;
create trigger torture_unknown after update on delivery for each row
  when (old.unknown_at is not null and new.unknown_at is null)
  execute function public.torture_keep();
"""
_UNSEEN = """
select extract(epoch from coalesce(shown.at, spell.ended_at) - spell.began_at)::float8 as unseen_s,
       shown.at is not null as shown
  from (select delivery_id, began_at, ended_at from public.torture_unknown
         union all
        select id, unknown_at, app.now() from delivery where unknown_at is not null) spell
  left join lateral (
    select min(t.at) as at from timeline t
     where t.delivery_id = spell.delivery_id and t.kind = 'unknown_shown'
       and t.at between spell.began_at and spell.ended_at) shown on true
"""
# Of a page to staff that expired: whether the incident's page left by a way later, or somebody had
# the incident by then. A test of the alarm is about nobody, and says itself that it failed.
_DELIVERIES = """
select d.subject_id, d.integration, d.kind, d.status, d.held_reason, d.idempotency_key,
       d.provider_message_id, d.credential_id, c.follows,
       array (select distinct a.idempotency_key from attempt_delivery ad
                join attempt a on a.id = ad.attempt_id where ad.delivery_id = d.id) as keys,
       exists (select from attempt_delivery ad join attempt a on a.id = ad.attempt_id
                where ad.delivery_id = d.id and a.state = 'unknown') as was_unknown,
       case when d.kind = 'staff_page' and d.status = 'expired' then
         d.idempotency_key like 'staff_page/mentalspace/test/%'
         or exists (select from page_send s join page p on p.id = s.page_id
                     where p.incident_id::text = split_part(d.idempotency_key, '/', 3)
                       and s.state = 'sent' and s.at >= d.created_at)
         or exists (select from incident i where i.id::text = split_part(d.idempotency_key, '/', 3)
                       and i.status <> 'open')
         or exists (select from timeline t
                     where t.incident_id::text = split_part(d.idempotency_key, '/', 3)
                       and t.kind in ('acknowledged', 'resolved') and t.at >= d.created_at)
       end as paged_otherwise
  from delivery d join credential c on c.id = d.credential_id
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Counts. `violations` are sentences without a name in them; empty if all is well."""

    counts: Mapping[str, int]
    statuses: Mapping[str, int]
    violations: tuple[str, ...]


@dataclass(slots=True)
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def forbid(self, name: str, count: int, text: str) -> None:
        """Count it, and say so if it is not nought."""
        self.counts[name] = count
        if count:
            self.violations.append(f"{count} {text}")


@dataclass(frozen=True, slots=True)
class Found:
    """The ledger's side, and the provider's. `attempts` and `inbox` count by state, `batches` are
    the attempts with several deliveries. `unknown` is, of each time that an outcome was unknown,
    for how long a person could not see it (`unseen_s`), and whether they were `shown` it."""

    deliveries: list[dict[str, Any]]
    unknown: list[dict[str, Any]]
    attempts: Counter[str]
    batches: Counter[str]
    inbox: Counter[str]
    mailbox: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    summary: dict[str, Any]


async def keep_unknown(services: Services) -> None:
    """From here on it is kept for how long each outcome was unknown."""
    async with connect_owner(services.admin_url) as owner:
        await owner.execute(_KEEP_UNKNOWN)


async def _gather(services: Services) -> Found:
    states = "select state from {}"
    async with connect_owner(services.admin_url) as owner:
        return Found(
            deliveries=await read_deliveries(owner),
            unknown=[dict(row) for row in await owner.fetch(_UNSEEN)],
            attempts=Counter(row["state"] for row in await owner.fetch(states.format("attempt"))),
            batches=Counter(
                row["state"] for row in await owner.fetch(states.format("attempt where size > 1"))
            ),
            inbox=Counter(row[0] for row in await owner.fetch(states.format("inbox"))),
            mailbox=await call_sandbox(services, "GET", "/mailbox?limit=100000"),
            requests=await call_sandbox(services, "GET", "/recorder"),
            summary=await call_sandbox(services, "GET", "/summary"),
        )


async def read_deliveries(owner: Connection) -> list[dict[str, Any]]:
    """Everything the ledger has, as the judge looks at it. Runs as the owner."""
    return [dict(row) for row in await owner.fetch(_DELIVERIES)]


async def judge(
    services: Services, bookings: Iterable[Booking], private: set[str], logs: Mapping[str, str]
) -> Verdict:
    """Compare what was promised, what the ledger says and what the provider has."""
    return weigh(await _gather(services), list(bookings), private, logs)


def weigh(
    found: Found, bookings: list[Booking], private: set[str], logs: Mapping[str, str]
) -> Verdict:
    tally = _Tally()
    _lost(tally, bookings, found.deliveries)
    _unknown(tally, found.deliveries)
    _unseen(tally, found.unknown)
    _twice(tally, found.summary, found.requests)
    _by_two(tally, found.mailbox)
    _known_to_both(tally, found.deliveries, found.mailbox, found.requests)
    tally.counts["batches"] = found.batches.total()
    tally.counts["batches_unknown"] = found.batches["unknown"]
    _webhooks(tally, found.deliveries, found.inbox)
    tally.counts["attempts"] = found.attempts.total()
    tally.forbid("attempts_left_open", found.attempts["open"], "attempts were never closed")
    _logs(tally, private, found.mailbox, logs)
    statuses = Counter(delivery["status"] for delivery in found.deliveries)
    return Verdict(dict(tally.counts), dict(statuses), tuple(tally.violations))


def _lost(tally: _Tally, bookings: list[Booking], deliveries: list[dict[str, Any]]) -> None:
    kinds: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for delivery in deliveries:
        kinds[delivery["subject_id"]].add((delivery["integration"], delivery["kind"]))
    missing = sum(len(booking.kinds - kinds[booking.appointment_id]) for booking in bookings)
    stuck = Counter(
        delivery["status"]
        for delivery in deliveries
        if delivery["status"] not in ENDED_WELL | SHOWN_TO_A_PERSON
        and (delivery["kind"], delivery["status"]) != OF_NO_USE
    )
    pages = [d for d in deliveries if (d["kind"], d["status"]) == OF_NO_USE]
    unpaged = sum(not page["paged_otherwise"] for page in pages)
    tally.counts["pages_expired"] = len(pages)
    tally.counts["acknowledged"] = len(bookings)
    tally.counts["deliveries"] = len(deliveries)
    tally.counts["lost"] = missing + stuck.total() + unpaged
    if missing:
        tally.violations.append(f"{missing} mails of acknowledged bookings are not in the ledger")
    if unpaged:
        tally.violations.append(f"{unpaged} pages to staff expired, and nobody was paged otherwise")
    for status, count in sorted(stuck.items()):
        tally.violations.append(f"{count} deliveries still {status} after the quiet time")


def _unknown(tally: _Tally, deliveries: list[dict[str, Any]]) -> None:
    once = [delivery for delivery in deliveries if delivery["was_unknown"]]
    held = [delivery for delivery in deliveries if delivery["status"] == "held"]
    tally.counts["unknown_resolved"] = sum(d["status"] in ENDED_WELL for d in once)
    tally.counts["unknown_held"] = sum(d["status"] == "held" for d in once)
    tally.counts["held"] = len(held)
    tally.counts["refused"] = sum(d["status"] == "refused" for d in deliveries)
    unexplained = sum(not delivery["held_reason"] for delivery in held)
    tally.forbid("held_without_reason", unexplained, "held deliveries give a person no reason")


def _unseen(tally: _Tally, unknown: list[dict[str, Any]]) -> None:
    waited = [one["unseen_s"] for one in unknown]
    tally.counts["unknown_times"] = len(unknown)
    tally.counts["unknown_shown"] = sum(one["shown"] for one in unknown)
    tally.counts["unknown_unseen_longest_s"] = round(max(waited, default=0.0))
    tally.forbid(
        "unknown_unseen",
        sum(seconds > SEEN_WITHIN_S for seconds in waited),
        f"outcomes were unknown for over {SEEN_WITHIN_S:.0f} s before a person could see it",
    )


def _twice(tally: _Tally, summary: Mapping[str, Any], requests: list[dict[str, Any]]) -> None:
    accounts = summary.values()
    tally.counts["accepted"] = sum(account["accepted"] for account in accounts)
    tally.counts["repeated_requests_one_key"] = sum(
        account["repeated_requests_one_key"] for account in accounts
    )
    by_content = sum(account["accepted_twice"] for account in accounts)
    taken: Counter[tuple[str, str]] = Counter()
    for request in requests:
        if request["idempotency_key"] and not request["replayed"]:
            # One key may be a whole batch's.
            taken[request["account"], request["idempotency_key"]] += bool(request["accepted"])
    by_key = sum(count > 1 for count in taken.values())
    tally.forbid("accepted_twice", by_content, "mails were accepted twice, by their content")
    tally.forbid("accepted_twice_by_key", by_key, "keys were accepted more than once")


def _by_two(tally: _Tally, mailbox: list[dict[str, Any]]) -> None:
    """A room may hold several providers, and a mail goes by one of them."""
    by_content: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for mail in mailbox:
        content = mail["content"]
        said = (*content.get("to", ()), content.get("subject"), (content.get("text") or "").strip())
        by_content[said].add(mail["provider"])
    both = sum(len(providers) > 1 for providers in by_content.values())
    tally.counts["texts"] = sum(mail["provider"] == "twilio" for mail in mailbox)
    tally.counts["by_relay"] = sum(mail["provider"] == "smtp" for mail in mailbox)
    tally.forbid("accepted_by_two", both, "mails were accepted by both providers")


def _known_to_both(
    tally: _Tally,
    deliveries: list[dict[str, Any]],
    mailbox: list[dict[str, Any]],
    requests: list[dict[str, Any]],
) -> None:
    """Each mail the provider has is accepted in the ledger or before a person, and vice versa."""
    theirs = {_name(mail) for mail in mailbox}
    ours = {d["provider_message_id"] for d in deliveries if d["status"] in ENDED_WELL}
    shown = Counter(
        key for d in deliveries if d["status"] in SHOWN_TO_A_PERSON for key in d["keys"]
    )
    key_of = {mail_id: r["idempotency_key"] for r in requests for mail_id in r["accepted"]}
    # Twilio knows no keys, but the address it calls back names one.
    referred = {reference_of(key): key for d in deliveries for key in d["keys"]}
    for text in mailbox:
        if text["provider"] == "twilio":
            reference = parse_qs(urlsplit(text["content"]["callback"]).query)["ref"][0]
            key_of[text["id"]] = referred.get(reference, "")
    # A relay knows no keys, but the name we gave the mail is made of its own.
    for key in {key for d in deliveries for key in d["keys"]}:
        key_of[hashlib.sha256(key.encode()).hexdigest()[:40]] = key
    unknown_to_us = Counter(key_of.get(_local(name), "") for name in theirs - ours)
    unseen = sum(max(0, count - shown[key]) for key, count in unknown_to_us.items())
    tally.forbid("sent_unseen", unseen, "mails were sent, and neither ledger nor person knows")
    tally.forbid("never_sent", len(ours - theirs), "deliveries accepted that the provider has not")


def _name(mail: dict[str, Any]) -> str:
    """What the ledger calls it: the provider's id, or the Message-ID we gave it."""
    return str(mail["content"]["message_id"] if mail["provider"] == "smtp" else mail["id"])


def _local(name: str) -> str:
    return name.removeprefix("<").partition("@")[0]


def _webhooks(tally: _Tally, deliveries: list[dict[str, Any]], inbox: Counter[str]) -> None:
    waiting = sum(d["status"] == "accepted" and d["follows"] for d in deliveries)
    tally.counts["webhooks"] = inbox.total()
    tally.forbid("webhooks_missing", waiting, "accepted mails without their final event")
    tally.forbid("webhooks_waiting", inbox["received"], "webhooks were kept and never applied")
    tally.forbid("webhooks_held", inbox["held"], "webhooks ended before a person")


def _logs(
    tally: _Tally, private: set[str], mailbox: list[dict[str, Any]], logs: Mapping[str, str]
) -> None:
    said = {line for mail in mailbox for line in _lines(mail["content"])}
    hits = private_words(logs, private | said)
    tally.counts["log_bytes"] = sum(len(text) for text in logs.values())
    found = ", ".join(f"{name}: {count}" for name, count in sorted(hits.items()) if count)
    tally.forbid("log_hits", hits.total(), f"private words in logs ({found})")


def private_words(logs: Mapping[str, str], secrets: Iterable[str]) -> Counter[str]:
    """How often each log tells one of the secrets, or any address that is not the demo's staff."""
    hits: Counter[str] = Counter()
    for name, text in logs.items():
        clients = STAFF.sub("", text)
        hits[name] += len(ADDRESS.findall(clients))
        hits[name] += sum(clients.count(secret) for secret in secrets)
    return hits


def _lines(content: Mapping[str, Any]) -> set[str]:
    whole = f"{content.get('subject', '')}\n{content.get('text', '')}"
    return {line for line in whole.splitlines() if len(line) >= SHORTEST_LINE}
