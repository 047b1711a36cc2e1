"""Figures, pages and self-contained reports."""
