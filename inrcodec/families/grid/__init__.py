"""Grids: integer latents on a pyramid of grids, interpolated at any point, under a small sine network."""
