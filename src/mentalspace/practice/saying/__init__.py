"""What may be said to a client, by whichever channel: the facts, their words, and the lint."""
