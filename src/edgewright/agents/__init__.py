"""Learners, which train policies and know protocols, never a world."""
