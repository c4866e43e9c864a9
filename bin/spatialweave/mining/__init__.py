"""Triplets of spots mined from latents: which spots are similar, and which are far. NumPy only."""
