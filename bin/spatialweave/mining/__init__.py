"""Mining of triplets of spots from latents: which spots are similar, and which are far apart. NumPy only."""
