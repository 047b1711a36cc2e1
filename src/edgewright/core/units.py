"""Convert between the units that papers use, each conversion written once."""

MBIT_PER_MB = 8.0
"""Megabits in a megabyte: an input of 17.5 MB is 140 Mbit."""

CYCLES_PER_GCYCLE = 1e9
"""Cycles in a G-cycle."""

HZ_PER_GHZ = 1e9
"""Cycles per second in a GHz, or in a G-cycle per second."""
