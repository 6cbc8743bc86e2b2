"""Who a message is for, as people are counted: a client once, however many ways lead to them."""

from __future__ import annotations

# Of a delivery `d`. A document's recipient is its place, each another; a client's mail and text go
# to two addresses. Whoever is no client is told apart by the keyed hash of their address.
PERSON = "coalesce(d.client_id::text, d.recipient_key)"
