"""Edgewright trains, proves and deploys learned decisions at the network edge."""

__version__ = "0.1.0"
