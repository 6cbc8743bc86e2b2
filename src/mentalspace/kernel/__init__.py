"""The words every room shares. No I/O, and no HTTP, database or web library."""
