"""The algebra of learning, for one trajectory."""
