"""Networks as pytrees of arrays."""
