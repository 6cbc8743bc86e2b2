"""Machinery that knows no provider."""
