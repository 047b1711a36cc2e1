"""Train a fleet, and run jobs of studies, on processes of a Ray cluster."""
