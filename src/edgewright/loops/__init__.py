"""Unroll, learn, evaluate. They know protocols only."""
