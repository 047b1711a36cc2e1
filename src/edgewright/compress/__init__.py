"""Compress the networks of a bundle by pruning, distillation and quantisation, in any order."""
