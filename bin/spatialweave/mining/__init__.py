"""Triplets of spots mined from latents: which spots are alike, and which are far. NumPy only."""
