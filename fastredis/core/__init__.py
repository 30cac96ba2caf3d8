"""L0: what knows nothing of Redis: memory, numbers, clock, hashing, patterns."""
