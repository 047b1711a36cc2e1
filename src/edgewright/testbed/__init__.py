"""Measure how far a simulation is from processes that really generate, queue and send."""
