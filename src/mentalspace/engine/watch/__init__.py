"""What each kind of alert rule looks at, and the one machine of states that all of them share."""
