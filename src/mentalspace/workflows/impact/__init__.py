"""Whom an incident touches: counted once, for whoever shows it."""
