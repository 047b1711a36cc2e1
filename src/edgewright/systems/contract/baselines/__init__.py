"""Mechanisms that need no training: the exact optimum, simpler contracts, and random menus."""
