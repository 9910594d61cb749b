"""What a system shows of itself: counters, events, dead letters, load, stalls, logs."""
