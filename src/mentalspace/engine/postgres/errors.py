"""What the embedded PostgreSQL raises."""

from mentalspace.kernel.errors import MentalSpaceError


class PostgresError(MentalSpaceError):
    """The embedded server cannot be had. The text names the cure, and never a password."""
