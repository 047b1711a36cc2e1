"""Train runs on disk, resume them, and read them back."""
