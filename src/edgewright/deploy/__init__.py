"""A run, exported, compressed and timed."""
