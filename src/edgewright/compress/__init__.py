"""Compression: pruning, distillation, quantisation, in any order, on any network in a bundle."""
