"""From a trained policy to one file: export, compression, and the bundle that decides."""
