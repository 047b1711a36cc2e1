"""The decision service. It never imports JAX."""
