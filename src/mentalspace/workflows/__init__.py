"""Stories that cross rooms: an appointment and what its client hears of it."""
