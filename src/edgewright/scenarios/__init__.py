"""Load scenario files, check them, and build them."""
