"""The measure of three minutes, for anybody to try again: docs/explanation/three-minutes.md."""
