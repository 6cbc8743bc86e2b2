"""A campaign of kill -9 at random moments under load, and the count of what it cost."""
