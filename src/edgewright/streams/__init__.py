"""Inputs that the policy cannot influence, from synthetic processes and recorded traces."""
