"""The sandbox door: every provider of every room, played on one local port, with its controls."""
