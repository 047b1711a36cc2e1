"""Runs on disk: training, resuming, reading back."""
