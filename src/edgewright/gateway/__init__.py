"""Decide for real requests to real generators, behind an API that clients already speak."""
