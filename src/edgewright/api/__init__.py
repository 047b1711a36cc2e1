"""The objects of ``import edgewright as ew``, which print themselves."""
