"""Scores of policies on the same episodes, with intervals."""
