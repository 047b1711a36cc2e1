"""Scenario files: schema, loading, and the one registry that builds them."""
