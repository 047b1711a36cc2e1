"""Train the small generators that the gateway ships with. Only here they need JAX."""
