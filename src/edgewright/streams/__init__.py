"""Everything the policy cannot influence: synthetic processes and recordings."""
