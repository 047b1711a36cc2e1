"""Mechanisms that need no training, from the exact optimum to random menus."""
