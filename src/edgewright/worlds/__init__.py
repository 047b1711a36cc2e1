"""The physics of decision problems. Siblings: none knows another."""
