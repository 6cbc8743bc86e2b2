"""Measurements, each beside a peer in the same run and reported as a ratio."""
